"""What others read: one module a file format."""
