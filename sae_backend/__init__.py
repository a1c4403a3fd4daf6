"""Sparse-autoencoder analysis of pathology foundation models, without a window."""
