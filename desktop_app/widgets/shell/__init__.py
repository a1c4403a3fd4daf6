"""Menus, dialogs, start page, help and other parts of the window itself."""
