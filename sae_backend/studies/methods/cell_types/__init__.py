"""How features follow cell types on held-out slides, and how purely."""
