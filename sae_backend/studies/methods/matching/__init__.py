"""Features of two sets matched one to one, with what chance would give."""
