"""The nucleus detector and the classifier by example."""
