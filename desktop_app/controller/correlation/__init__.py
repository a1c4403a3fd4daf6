"""Correlation runs and the maps of a pair."""
