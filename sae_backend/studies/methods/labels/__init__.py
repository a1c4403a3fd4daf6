"""How well a label of slides, such as the scanner, is read from features."""
