"""Features against cell types: the engine and its results."""
