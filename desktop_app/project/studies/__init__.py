"""Studies of a project: settings, requirements, jobs, results, text."""
