"""Proposed types of nuclei, and the files by which nuclei go to the model and its proposals come back."""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from sae_backend.atomic_write import disk_errors
from sae_backend.cells.table import CellTable
from sae_backend.errors import CacheError

MIN_LABELS: Final = 8
"""Fewest labelled nuclei of a type that a model is trained on."""

PROBABILITY: Final = "probability"
"""Measure of a proposal: what the model gives the type that it proposes."""

_MEASURES: Final = "measures/"


@dataclass(frozen=True)
class Proposals:
    """Proposed types of M nuclei: `type_index` uint16 (M,) into the names, `probability` float32 (M,)."""

    type_index: npt.NDArray[np.uint16]
    probability: npt.NDArray[np.float32]
    type_names: tuple[str, ...]

    def applied(self, table: CellTable) -> CellTable:
        """The table with the proposed types, and their probability as one more measure."""
        return replace(
            table,
            type_index=self.type_index,
            type_names=self.type_names,
            measures={**table.measures, PROBABILITY: self.probability},
        )


def write_nuclei(path: Path, table: CellTable) -> None:
    """Write what a model can learn from, without outlines, to a .npz file.

    Raises
    ------
    CacheError
        When the disk refuses.
    """
    measures = {_MEASURES + name: values for name, values in table.measures.items() if name != PROBABILITY}
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(path, allow_pickle=False, y_l0=table.y_l0, x_l0=table.x_l0, **measures)


def read_nuclei(path: Path) -> CellTable:
    """Read what :func:`write_nuclei` wrote.

    Raises
    ------
    CacheError
        When the file is missing or damaged.
    """
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as file:
            names = [name for name in file.files if name.startswith(_MEASURES)]
            measures = {name.removeprefix(_MEASURES): file[name] for name in names}
            y, x = file["y_l0"], file["x_l0"]
            return CellTable(y, x, np.zeros(y.size, np.uint16), ("Nucleus",), measures)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise CacheError(
            "The nuclei to learn from are missing or damaged.", "Train the model again."
        ) from error


def write_proposals(path: Path, proposals: Proposals) -> None:
    """Write proposals to a .npz file.

    Raises
    ------
    CacheError
        When the disk refuses.
    """
    with disk_errors(path):
        np.savez(
            path,
            allow_pickle=False,
            type_index=proposals.type_index,
            probability=proposals.probability,
            type_names=np.array(proposals.type_names),
        )


def read_proposals(path: Path) -> Proposals:
    """Read what :func:`write_proposals` wrote.

    Raises
    ------
    CacheError
        When the file is missing or damaged.
    """
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as file:
            names = tuple(str(name) for name in file["type_names"])
            return Proposals(file["type_index"], file["probability"], names)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise CacheError("The proposed types are missing or damaged.", "Train the model again.") from error
