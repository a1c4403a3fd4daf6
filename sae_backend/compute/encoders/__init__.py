"""Encoders: loading them, and running them on tiles."""
