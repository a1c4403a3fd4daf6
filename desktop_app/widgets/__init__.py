"""Panels of the window, one a file."""
