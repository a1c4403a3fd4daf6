"""Studies as jobs: what they embed and train first."""
