"""Tell slides that this program drew from scanned ones."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import tifffile

_SUFFIXES: Final = (".tif", ".tiff")
_MARK: Final = "Generated H&E-like slide"


def is_generated(path: Path) -> bool:
    """Whether the file says of itself that it was drawn; False where it cannot be read."""
    if path.suffix.lower() not in _SUFFIXES:
        return False
    try:
        with tifffile.TiffFile(path) as file:
            first = file.pages.first
            return str(getattr(first, "description", "")).startswith(_MARK)
    except (OSError, ValueError, tifffile.TiffFileError):
        return False
