"""What a project would not take when the window closed: kept in a file until it does."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from sae_backend.atomic_write import write_text_atomic
from sae_backend.errors import CacheError

_NAME: Final = "sparsescope-unsaved-"


@dataclass(frozen=True)
class UnsavedDraft:
    """Changed fields of one feature's annotation that are not in the project.

    `revision` is the one that the changes were made on; `project` is the folder's absolute path.
    """

    project: str
    sae_digest: str
    feature: int
    revision: int
    fields: dict[str, Any]


def keep(entries: Sequence[UnsavedDraft], folders: Sequence[Path]) -> Path | None:
    """Write entries into the first folder that takes them.

    Returns
    -------
    Path
        The file, or None where no folder took it.
    """
    text = json.dumps([asdict(entry) for entry in entries], indent=1)
    for folder in folders:
        path = folder / f"{_NAME}{uuid4().hex}.json"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            write_text_atomic(path, text)
        except (OSError, CacheError):
            continue
        return path
    return None


def find(project: Path, folders: Sequence[Path]) -> Mapping[Path, tuple[UnsavedDraft, ...]]:
    """Entries of a project, by the file that holds them; a file that cannot be read is left alone."""
    found: dict[Path, tuple[UnsavedDraft, ...]] = {}
    for folder in dict.fromkeys(folders):
        for path in sorted(folder.glob(f"{_NAME}*.json")) if folder.is_dir() else ():
            try:
                entries = tuple(
                    UnsavedDraft(**entry) for entry in json.loads(path.read_text(encoding="utf-8"))
                )
            except (OSError, ValueError, TypeError):
                continue
            # A project that was moved takes its own file with it.
            inside = path.parent == project
            if entries and all(inside or entry.project == str(project.absolute()) for entry in entries):
                found[path] = entries
    return found
