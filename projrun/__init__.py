"""projrun runs projects that declare what they need, and keeps the recipe of every run."""

__version__ = "0.1.0"
