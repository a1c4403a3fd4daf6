"""Out of domain: features of one cohort, frozen, on another."""
