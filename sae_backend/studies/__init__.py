"""Studies: questions asked of a model on slides of several patients."""
