"""Universality: which features come back in other autoencoders."""
