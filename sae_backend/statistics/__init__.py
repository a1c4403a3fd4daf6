"""Resampling units, moments, intervals and p values."""
