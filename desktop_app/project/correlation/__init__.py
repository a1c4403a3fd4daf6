"""Correlation runs of a project: options, jobs, results, text."""
