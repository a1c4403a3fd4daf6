"""Importing, detecting, editing and showing cells."""
