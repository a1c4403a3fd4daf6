"""Two encoders side by side, with the control of random weights."""
