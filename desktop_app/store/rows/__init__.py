"""Reading and writing rows, one module a subject."""
