"""Null distributions by permutation."""
