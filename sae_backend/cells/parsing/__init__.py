"""Parts that several readers of cell files use."""
