"""Theme and text size, as the user last chose them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from desktop_app.widgets.controls import theme as looks

if TYPE_CHECKING:
    from collections.abc import Callable

    from PySide6.QtWidgets import QWidget

    from desktop_app.controller.context import Context


class ThemeActions:
    """Applies the user's theme and text size, and keeps what is changed."""

    def __init__(self, context: Context, themed_parts: Callable[[], list[QWidget]]) -> None:
        self._context, self._themed_parts = context, themed_parts
        menus = context.menus
        menus.requested("light").connect(self.set_light)
        menus.requested("text_size").connect(self.resize_text)

    def apply(self) -> None:
        """Paint the window as the preferences say."""
        known = self._context.preferences.current
        looks.set_text_points(known.text_points or looks.system_points())
        looks.apply_theme(self._themed_parts(), known.theme)
        self._context.menus.action("light").setChecked(known.theme == "light")

    def set_light(self, on: bool) -> None:
        """Take the light theme, or the dark one."""
        theme = "light" if on else "dark"
        if theme != self._context.preferences.current.theme:
            self._context.preferences.change(theme=theme)
            looks.apply_theme(self._themed_parts(), self._context.preferences.current.theme)

    def resize_text(self, by: int) -> None:
        """Make all text larger or smaller by so many points."""
        self._context.preferences.change(text_points=looks.set_text_points(looks.text_points() + by))
