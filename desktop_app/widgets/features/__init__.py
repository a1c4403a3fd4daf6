"""The feature list, the feature page and the heatmap controls."""
