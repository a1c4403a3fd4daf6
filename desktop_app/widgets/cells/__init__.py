"""Panels and dialogs for cells."""
