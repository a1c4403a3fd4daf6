"""What belongs to the window as a whole: start, theme, status, drops."""
