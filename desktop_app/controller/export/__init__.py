"""What the window writes to files."""
