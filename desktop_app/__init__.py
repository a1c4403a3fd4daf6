"""The desktop program: window, store and command line."""
