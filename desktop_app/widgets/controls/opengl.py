"""Whether a graphics card draws, or the processor in its place."""

from __future__ import annotations

from typing import Final

from PySide6.QtGui import QOffscreenSurface, QOpenGLContext

_GL_RENDERER: Final = 0x1F01
_SOFTWARE: Final = (
    "llvmpipe",
    "softpipe",
    "swiftshader",
    "software",
    "gdi generic",
    "microsoft basic render",
)


def renderer() -> str:
    """Name of what draws OpenGL here, empty where it cannot be told; what was current before is so again."""
    before = QOpenGLContext.currentContext()
    # Asked now: the surface of a context is told only while it is current.
    onto = before.surface() if before is not None else None
    context = QOpenGLContext()
    surface = QOffscreenSurface()
    surface.create()
    if not context.create() or not context.makeCurrent(surface):
        return ""
    name = context.functions().glGetString(_GL_RENDERER)
    context.doneCurrent()
    if before is not None and onto is not None:
        # napari asks the canvas's context what it can do, and takes for granted that it is current.
        before.makeCurrent(onto)
    return str(name or "")


def draws_in_software(name: str) -> bool:
    """Whether the renderer of that name computes on the processor: then fine drawing costs the pace."""
    return any(known in name.casefold() for known in _SOFTWARE)
