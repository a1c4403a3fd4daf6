"""Readers and writers of other tools' files, one file a format."""
