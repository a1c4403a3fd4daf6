"""Cards and weights of encoders and autoencoders."""
