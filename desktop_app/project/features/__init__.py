"""What is known of a feature of a project."""
