"""What is known of the slides of a project."""
