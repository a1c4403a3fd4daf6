"""What a dropped file or folder is, and what to do with it."""
