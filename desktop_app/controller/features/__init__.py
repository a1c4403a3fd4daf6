"""The list of features, the page of one, and its examples."""
