"""Regions drawn with the mouse."""
