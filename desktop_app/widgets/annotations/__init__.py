"""Panels for names, grades, comments and merging."""
