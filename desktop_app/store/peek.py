"""What can be told of a project without opening it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path


def count_slides(folder: Path) -> int | None:
    """Number of slides of a project, read without changing anything; None where it cannot be told."""
    file = folder / "project.sqlite"
    try:
        quiet = not any(file.with_name(file.name + end).exists() for end in ("-wal", "-journal"))
        # In WAL mode even a reader makes files beside the database, unless nobody else has it open.
        how = "mode=ro&immutable=1" if quiet else "mode=ro"
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?{how}", uri=True)) as connection:
            (count,) = connection.execute("SELECT count(*) FROM slides").fetchone()
    except (sqlite3.Error, OSError):
        return None
    return int(count)
