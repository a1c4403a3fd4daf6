"""Fonts and line breaks for drawings: nothing is cut off, and no text is taken for a formula."""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from typing import Any, Final

from matplotlib import font_manager
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextToPath

_WANTED: Final = (
    "DejaVu Sans",
    "Noto Sans CJK SC",
    "Noto Sans CJK JP",
    "Microsoft YaHei",
    "PingFang SC",
    "Hiragino Sans",
    "Yu Gothic",
    "Malgun Gothic",
    "Arial Unicode MS",
    "Noto Sans Arabic",
    "Noto Sans Devanagari",
)
_MISSING: Final = "\N{WHITE SQUARE}"


@lru_cache(maxsize=1)
def _families() -> tuple[str, ...]:
    there = set(font_manager.get_font_names())
    return tuple(name for name in _WANTED if name in there)


def families() -> list[str]:
    """Fonts to draw with, of those this machine has: the first that knows a letter draws it."""
    return list(_families())


@lru_cache(maxsize=1)
def _letters() -> frozenset[int]:
    known: set[int] = set()
    for name in _families():
        font: Any = font_manager.get_font(font_manager.findfont(FontProperties(family=name)))
        known |= font.get_charmap().keys()
    return frozenset(known)


def printable(text: str) -> str:
    """One line of text in letters that the fonts have; a white square stands for any other."""
    flat = " ".join(unicodedata.normalize("NFC", text).split())
    return "".join(
        letter if ord(letter) in _letters() else _MISSING
        for letter in flat
        # Control letters and zero-width joiners have no shape of their own.
        if unicodedata.category(letter) not in ("Cc", "Cf")
    )


@lru_cache(maxsize=4096)
def width_pt(text: str, size: float, *, bold: bool = False) -> float:
    """Width of a line in points."""
    if not text:
        return 0.0
    font = FontProperties(family=families(), size=size, weight="bold" if bold else "normal")
    return float(TextToPath().get_text_width_height_descent(text, font, False)[0])


def fitted(text: str, limit_pt: float, size: float, *, bold: bool = False) -> str:
    """The text, or as much of it as fits with an ellipsis."""
    if width_pt(text, size, bold=bold) <= limit_pt:
        return text
    short = text
    while short and width_pt(f"{short.rstrip()}…", size, bold=bold) > limit_pt:
        short = short[:-1]
    return f"{short.rstrip()}…"


def wrapped(text: str, limit_pt: float, size: float, *, bold: bool = False) -> list[str]:
    """The lines of a text that is made printable; words too long for a line are cut where it ends."""

    def fits(line: str) -> bool:
        return width_pt(line, size, bold=bold) <= limit_pt

    lines: list[str] = []
    line = ""
    for word in printable(text).split(" "):
        longer = f"{line} {word}" if line else word
        if fits(longer):
            line = longer
            continue
        if line:
            lines.append(line)
        rest = word
        while not fits(rest):
            n = 1
            while n < len(rest) and fits(rest[: n + 1]):
                n += 1
            lines.append(rest[:n])
            rest = rest[n:]
        line = rest
    return [*lines, line] if line else lines
