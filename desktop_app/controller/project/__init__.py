"""Projects, slide metadata and values by slide and by point."""
