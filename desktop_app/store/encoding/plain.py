"""Plain values to and from the text columns of the database."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import orjson


def now_utc() -> str:
    """Time now, UTC, ISO 8601 to the microsecond."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


def to_text(value: Any) -> str:
    """JSON text of a plain value; numpy scalars and arrays count as plain."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS | orjson.OPT_SERIALIZE_NUMPY).decode()


def from_text(text: str) -> Any:
    """Value of a JSON text that `to_text` wrote."""
    return orjson.loads(text)
