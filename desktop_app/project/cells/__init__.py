"""Cells of a project: files, types, densities."""
