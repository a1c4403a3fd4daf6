"""The jobs of the worker, one module each."""
