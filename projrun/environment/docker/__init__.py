"""Environments that are images: what a Dockerfile and its context come to, and how an image is had and kept."""
