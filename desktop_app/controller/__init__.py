"""What the window's requests lead to: each theme in its own file."""

from desktop_app.controller.controller import Controller

__all__ = ["Controller"]
