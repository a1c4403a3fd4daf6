"""Regions: drawn, listed, read and written."""
