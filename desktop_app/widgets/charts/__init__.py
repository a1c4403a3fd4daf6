"""Charts that are painted, without data of their own."""
