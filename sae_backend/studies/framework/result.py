"""What a study gives, and how it goes on where it stopped."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from sae_backend.atomic_write import disk_errors

Progress = Callable[[str, int, int], None]
"""Takes (stage, done, total); raises to cancel."""

Arrays = Mapping[str, npt.NDArray[Any]]

_ENDING: Final = ".npz"
_TEXTS: Final = "arrays of texts"


@dataclass(frozen=True)
class StudyResult:
    """What was found, enough to draw every figure and to write every sentence again.

    Attributes
    ----------
    arrays
        Numbers by name.
    meta
        Plain JSON: names, numbers of slides, patients and tiles, settings that were used, warnings.
    """

    arrays: Arrays
    meta: Mapping[str, Any]

    def as_stored(self) -> tuple[dict[str, npt.NDArray[Any]], dict[str, Any]]:
        """Arrays of numbers alone, and the meta, which then holds the arrays of texts, too."""
        texts = {name: array.tolist() for name, array in self.arrays.items() if array.dtype.kind == "U"}
        numbers = {name: array for name, array in self.arrays.items() if name not in texts}
        return numbers, {**self.meta, **({_TEXTS: texts} if texts else {})}

    @classmethod
    def from_stored(cls, arrays: Arrays, meta: Mapping[str, Any]) -> StudyResult:
        """Put together what :meth:`as_stored` took apart."""
        texts = {name: np.array(words, np.str_) for name, words in meta.get(_TEXTS, {}).items()}
        return cls({**arrays, **texts}, {key: value for key, value in meta.items() if key != _TEXTS})


class Checkpoints:
    """Finished parts of a study in a folder, so that a second run does not make them again.

    The folder belongs to one request: whoever names it puts a digest of the request into the name.

    Parameters
    ----------
    folder
        Where they are kept; None keeps nothing.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder

    def get(self, name: str, make: Callable[[], Arrays]) -> Arrays:
        """Give the arrays of a step, made now or by an earlier run."""
        if self._folder is None:
            return make()
        file = self._folder / f"{name}{_ENDING}"
        known = _read(file)
        if known is not None:
            return known
        made = dict(make())
        temporary = file.with_name(file.name + ".tmp")
        with disk_errors(file):
            self._folder.mkdir(parents=True, exist_ok=True)
            with temporary.open("wb") as stream:
                np.savez(stream, allow_pickle=False, **made)
            temporary.replace(file)
        return made


def _read(file: Path) -> Arrays | None:
    """Arrays of a file, None where it is not there or is not whole."""
    if not file.is_file():
        return None
    try:
        # The stream is ours to close: numpy leaves it open where the file is damaged.
        with file.open("rb") as stream, np.load(stream, allow_pickle=False) as kept:
            return {name: kept[name] for name in kept.files}
    except (OSError, ValueError, BadZipFile):
        return None
