"""What can be done with a project; knows no Qt."""
