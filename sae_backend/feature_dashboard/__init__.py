"""What the page of one feature shows."""
