"""Slides: pixels, levels, tissue, tiles."""
