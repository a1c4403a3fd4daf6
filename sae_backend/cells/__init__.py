"""Cells: tables, types, outlines, edits, counts per tile."""
