"""Times, and values of annotations, as the panels write them."""

from __future__ import annotations

import math
from datetime import datetime


def duration(seconds: float | None) -> str:
    """Return a time left in words: `40 s`, `3 min`, `1 h 10 min`; empty where it is unknown."""
    if seconds is None or not math.isfinite(seconds):
        return ""
    if seconds < 60:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def when(at: str) -> str:
    """Return a time in ISO 8601 as people read it, to the minute, in the user's own time zone."""
    try:
        moment = datetime.fromisoformat(at)
    except ValueError:
        return at
    return moment.astimezone().strftime("%Y-%m-%d %H:%M") if moment.tzinfo else at[:16].replace("T", " ")


def field_value(value: object) -> str:
    """Return the value of an annotation's field in words."""
    if value is None or value in ("", ()):
        return "nothing"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return str(value)
    return f"“{', '.join(value)}”" if isinstance(value, tuple) else f"“{value}”"
