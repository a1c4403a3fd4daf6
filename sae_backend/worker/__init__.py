"""Requests to the worker process, and the client that sends them."""
