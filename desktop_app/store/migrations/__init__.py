"""Alembic scripts, inside the package so that every installation carries them."""
