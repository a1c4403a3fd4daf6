"""Studies: run, shown, compared, exported."""
