"""One module per revision of the project file."""
