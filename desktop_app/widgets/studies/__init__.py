"""Form and result of a study."""
