"""Whether a window can open here, found out before Qt, which ends the process where it cannot."""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path
from typing import Final

from sae_backend.errors import UserInputError

_CURSOR_LIBRARY: Final = "libxcb-cursor.so.0"
_HINT: Final = "Every command but this works without a window: see sparsescope --help."


def display_obstacle() -> tuple[str, str] | None:
    """Why no window can open: a sentence and a hint, or None where nothing speaks against it.

    Only Linux can lack a display. Platforms of Qt that draw without one (`QT_QPA_PLATFORM`) are fine.
    """
    if not sys.platform.startswith("linux"):
        return None
    platform = os.environ.get("QT_QPA_PLATFORM", "").split(":")[0].split(";")[0]
    if platform not in ("", "xcb", "wayland"):
        return None
    if platform != "xcb" and _wayland_socket_exists():
        return None
    display = os.environ.get("DISPLAY", "")
    if not display:
        return "There is no display here, so the window cannot open.", _HINT
    if not _x_server_answers():
        return (
            f"The display {display} does not answer, so the window cannot open.",
            "Log in with a display (ssh -X forwards one), or correct the variable DISPLAY.",
        )
    if not _loads(_CURSOR_LIBRARY):
        return (
            f"The system library {_CURSOR_LIBRARY} is missing, so the window cannot open.",
            "On Debian and Ubuntu: sudo apt-get install libxcb-cursor0.",
        )
    return None


def require_display() -> None:
    """Raise `UserInputError` where no window can open."""
    obstacle = display_obstacle()
    if obstacle is not None:
        raise UserInputError(*obstacle)


def _wayland_socket_exists() -> bool:
    name = os.environ.get("WAYLAND_DISPLAY", "")
    # A relative name lies in the runtime folder; an absolute one stands for itself.
    return bool(name) and (Path(os.environ.get("XDG_RUNTIME_DIR", "/")) / name).exists()


def _loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def _x_server_answers() -> bool:
    """Whether the server that DISPLAY names takes a connection; True where that cannot be asked."""
    try:
        xcb = ctypes.CDLL("libxcb.so.1")
    except OSError:
        return True
    xcb.xcb_connect.restype = ctypes.c_void_p
    connection = ctypes.c_void_p(xcb.xcb_connect(None, None))
    fine = xcb.xcb_connection_has_error(connection) == 0
    xcb.xcb_disconnect(connection)
    return bool(fine)
