"""Folders of flat arrays: written beside, checked, then renamed into place.

"Done" is a manifest whose checksums hold, never a folder that exists.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any, Final

from sae_backend.atomic_write import TEMPORARY_SUFFIX, disk_errors, sync_file, sync_folder, write_bytes_atomic
from sae_backend.errors import CacheError

MANIFEST: Final = "manifest.json"
SCHEMA: Final = 1


def sha256_file(path: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


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
            if TEMPORARY_SUFFIX in path.suffixes:
                path.unlink()  # of a run that was killed while it wrote a small file
            elif path.name != MANIFEST:
                sync_file(path)
                checksums[path.name] = sha256_file(path)
        sealed = {"schema": SCHEMA, **manifest, "checksums": checksums}
        write_bytes_atomic(partial / MANIFEST, json.dumps(sealed, allow_nan=False).encode())
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
