"""Panels for correlation runs."""
