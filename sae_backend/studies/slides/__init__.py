"""Slides and patients: profiles, neighbours and two groups."""
