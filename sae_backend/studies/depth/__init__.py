"""Depth: how an encoder's blocks compare, one autoencoder each."""
