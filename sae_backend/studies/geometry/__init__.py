"""Geometry: which features belong together, duplicate or split one another."""
