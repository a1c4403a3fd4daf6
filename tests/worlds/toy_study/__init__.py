"""A study of the tests: a folder and a line of the registry, as any other."""
