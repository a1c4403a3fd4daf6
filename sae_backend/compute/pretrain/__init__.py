"""Self-supervised training of the small encoder that ships with the program, from scratch and without labels."""
