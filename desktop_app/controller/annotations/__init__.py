"""Names, grades, comments, merging and review of features."""
