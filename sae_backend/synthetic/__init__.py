"""Generated slides for the demo and the tests."""
