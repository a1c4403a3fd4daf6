"""Scanner and stain: what of the features is technique."""
