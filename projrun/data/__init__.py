"""Declared inputs and outputs -> fingerprints; metrics files -> metrics."""
