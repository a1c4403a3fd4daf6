"""What surrounds and covers the canvas."""
