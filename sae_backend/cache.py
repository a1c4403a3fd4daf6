"""Folders of flat arrays: written beside, checked, then renamed into place.

"Done" is a manifest whose checksums hold, never a folder that exists.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from sae_backend.errors import CacheError

MANIFEST: Final = "manifest.json"
SCHEMA: Final = 1
_TEMPORARY: Final = ".tmp"


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


def sha256_file(path: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


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


def write_text_atomic(path: Path, text: str) -> None:
    """Replace a small file as a whole: temporary beside it, flush, rename."""
    temporary = path.with_name(path.name + _TEMPORARY)
    with temporary.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    sync_folder(path.parent)


def commit_folder(partial: Path, final: Path, manifest: dict[str, Any]) -> None:
    """Seal `partial` with a manifest (checksums of all its files) and rename it to `final`.

    Raises
    ------
    CacheError
        When the disk refuses.
    """
    with disk_errors(final):
        checksums = {}
        for path in sorted(partial.iterdir()):
            if path.suffix == _TEMPORARY:
                path.unlink()  # of a run that was killed while it wrote a small file
            elif path.name != MANIFEST:
                sync_file(path)
                checksums[path.name] = sha256_file(path)
        sealed = {"schema": SCHEMA, **manifest, "checksums": checksums}
        write_text_atomic(partial / MANIFEST, json.dumps(sealed, allow_nan=False))
        if final.exists():
            shutil.rmtree(final)
        partial.rename(final)
        sync_folder(final.parent)


def read_manifest(folder: Path, *, verify: bool = False) -> dict[str, Any]:
    """Manifest of a committed folder.

    Parameters
    ----------
    folder
        The folder.
    verify
        Also recompute the checksum of every file.

    Raises
    ------
    CacheError
        When it is missing, damaged or of a newer schema.
    """
    hint = "Delete the folder and run the analysis again; annotations are kept elsewhere."
    try:
        manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise CacheError(
            f"{folder.name} is not finished or was deleted.", "Run the analysis again."
        ) from error
    except (OSError, ValueError) as error:
        raise CacheError(f"The manifest of {folder.name} is damaged.", hint) from error
    if manifest.get("schema") != SCHEMA:
        raise CacheError(f"{folder.name} was written by another version of the program.", hint)
    if verify:
        for name, expected in manifest["checksums"].items():
            path = folder / name
            if not path.is_file() or sha256_file(path) != expected:
                raise CacheError(f"{name} in {folder.name} has changed since it was written.", hint)
    return manifest


def is_committed(folder: Path) -> bool:
    """Whether the folder holds a manifest that its files match."""
    if not (folder / MANIFEST).is_file():
        return False
    try:
        read_manifest(folder, verify=True)
    except CacheError:
        return False
    return True
