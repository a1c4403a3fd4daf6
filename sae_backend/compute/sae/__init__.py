"""Sparse autoencoders: model, training, metrics."""
