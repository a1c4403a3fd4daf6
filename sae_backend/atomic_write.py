"""Files that appear whole or not at all, however long it takes to write them: the one place where that is done."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final

from sae_backend.errors import CacheError, UserInputError

TEMPORARY_SUFFIX: Final = ".tmp"
"""In the name of a file that is not yet whole; where a run was killed, such a file may stay."""


@contextmanager
def disk_errors(folder: Path) -> Iterator[None]:
    """Turn the disk's refusals into a `CacheError` that says the way out."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise CacheError(
                f"The disk is full; {folder.name} could not be written.",
                "Free some space and start again: finished work is kept and the rest resumes.",
            ) from error
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise CacheError(
                f"{folder} cannot be written.", "Choose a folder that you may write to."
            ) from error
        raise CacheError(f"{folder} cannot be used: {error.strerror}.", "Check the disk.") from error


def sync_file(path: Path) -> None:
    """Flush a file to the disk."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Flush a folder's entries to the disk, where the system knows such a thing (not Windows)."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def open_atomic(path: Path) -> Iterator[BinaryIO]:
    """Open a file beside `path` that takes its place when the block ends well.

    On an error or a cancellation nothing is left, and an older file of that name is still whole.

    Raises
    ------
    UserInputError
        When `path` is a folder.
    CacheError
        When the disk refuses.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}{TEMPORARY_SUFFIX}")
    with _in_place_of(path, temporary), temporary.open("wb") as file:
        yield file


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """As :func:`open_atomic`, for a library that wants the name of a file to write: with the same ending.

    Raises
    ------
    UserInputError
        When `path` is a folder.
    CacheError
        When the disk refuses.
    """
    temporary = path.with_name(f".{path.stem}.{os.getpid()}{TEMPORARY_SUFFIX}{path.suffix}")
    with _in_place_of(path, temporary):
        yield temporary


@contextmanager
def _in_place_of(path: Path, temporary: Path) -> Iterator[None]:
    if path.is_dir():
        raise UserInputError(f"{path.name} is a folder.", "Name a file in it.")
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield
            sync_file(temporary)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
        sync_folder(path.parent)


def write_bytes_atomic(path: Path, content: bytes) -> None:
    """Replace a file as a whole.

    Raises
    ------
    UserInputError, CacheError
        As :func:`open_atomic`.
    """
    with open_atomic(path) as file:
        file.write(content)


def write_text_atomic(path: Path, text: str) -> None:
    """Replace a file as a whole by a text in UTF-8.

    Raises
    ------
    UserInputError, CacheError
        As :func:`open_atomic`.
    """
    write_bytes_atomic(path, text.encode())
