"""Files that appear as a whole or not at all, however long it takes to write them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from sae_backend.cache import disk_errors, sync_folder
from sae_backend.errors import UserInputError


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """Open a file beside `path` that takes its place when the block ends well.

    On an error or a cancellation nothing is left, and an older file of that name is still whole.

    Raises
    ------
    UserInputError
        When `path` is a folder.
    CacheError
        When the disk refuses.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with _in_place_of(path, temporary), temporary.open("wb") as file:
        yield file


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """As :func:`whole_file`, for a library that wants the name of a file to write: with the same ending.

    Raises
    ------
    UserInputError
        When `path` is a folder.
    CacheError
        When the disk refuses.
    """
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.tmp{path.suffix}")
    with _in_place_of(path, temporary):
        yield temporary


@contextmanager
def _in_place_of(path: Path, temporary: Path) -> Iterator[None]:
    """Put a file that the block writes in the place of `path`, once it is on the disk; nothing of it stays otherwise."""
    if path.is_dir():
        raise UserInputError(f"{path.name} is a folder.", "Name a file in it.")
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield
            with temporary.open("rb+") as file:
                os.fsync(file.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
        sync_folder(path.parent)
