"""Plain values to and from the text columns of the database."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import orjson

from sae_backend.errors import UserInputError


def now_utc() -> str:
    """Time now, UTC, ISO 8601 to the microsecond."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


def to_text(value: Any) -> str:
    """JSON text of a plain value; numpy scalars and arrays count as plain."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS | orjson.OPT_SERIALIZE_NUMPY).decode()


def from_text(text: str) -> Any:
    """Value of a JSON text that `to_text` wrote."""
    return orjson.loads(text)


def checked_text(field: str, value: Any) -> str:
    """Return a text that can be stored, or raise `UserInputError`."""
    if not isinstance(value, str):
        raise UserInputError(f"A {field} has to be text.", "Put it in quotation marks.")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise UserInputError(
            f"The {field} holds half a character that cannot be stored.", "Type it again."
        ) from error
    return value
