"""Embeddings and sparse activations of a slide, and one feature as a map."""
