"""Methods that several studies use."""
