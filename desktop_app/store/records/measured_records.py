"""Frozen records of what was measured on slides: cells, correlations, splits, values of places."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import numpy.typing as npt

from sae_backend.cells.edits import CellEdit

SplitUnit = Literal["patient", "slide", "block"]
SPLIT_UNITS: Final[tuple[SplitUnit, ...]] = ("patient", "slide", "block")
SplitSide = Literal["choose", "report"]
SPLIT_SIDES: Final[tuple[SplitSide, ...]] = ("choose", "report")


@dataclass(frozen=True)
class CellImportRecord:
    """Where the cells of a slide came from, from a file or a detector.

    `type_counts` is the number of cells by type as imported; `assumed` what has to be known to repeat the import;
    `measure_names` what is known of each cell; `n_outline_points` None where there are no outlines;
    `class_map` the project's map of types when it was made; `current` whether these are the slide's cells now.
    """

    id: int
    slide_id: int
    source_name: str
    source_sha256: str
    tool: str
    n_cells: int
    type_counts: dict[str, int]
    notes: tuple[str, ...]
    imported_at: str
    author: str
    assumed: dict[str, Any]
    measure_names: tuple[str, ...]
    n_outline_points: int | None
    class_map: dict[str, Any]
    current: bool


@dataclass(frozen=True)
class CellEditRecord:
    """A change of a cell by hand; `cell` is the number of the cell concerned, also of an added one.

    `at` is UTC in ISO 8601; `uid` is the same in every copy of the project.
    """

    id: int
    uid: str
    import_id: int
    cell: int
    edit: CellEdit
    author: str
    at: str


@dataclass(frozen=True)
class SplitRecord:
    """A division into what features are chosen on and what they are reported on.

    `assignments` says "choose" or "report" of every patient, slide (by fingerprint) or block.
    """

    id: int
    name: str
    unit: SplitUnit
    seed: int
    assignments: dict[str, SplitSide]
    created_at: str
    author: str


@dataclass(frozen=True)
class NewCorrelation:
    """A run of correlations to be added: F features against C cell types.

    Attributes
    ----------
    sae_digest, analysis_ids, spec
        What was correlated, and how.
    meta
        Plain values: n_tiles, n_slides, n_clusters, unit, method, notes; with arrays also `type_names` (C),
        `statistics`, and `reasons`, texts of which the first is empty.
    arrays
        By name: "{statistic}/{field}", float (F, C) with NaN where not defined, of the fields value,
        ci_low, ci_high, p, q; "reason", unsigned (F, C), into meta's reasons, or "{statistic}/reason"
        where it differs between statistics; "{statistic}/n_tiles" where it differs between pairs; any others.
    name
        What the run is called; empty for "Run N".
    cells
        State of the cells by the slide's fingerprint, see `CellRows.version`.
    split_id
        The split in force, None without one.
    """

    sae_digest: str
    analysis_ids: tuple[int, ...]
    spec: Mapping[str, Any]
    meta: Mapping[str, Any]
    arrays: Mapping[str, npt.NDArray[Any]]
    name: str = ""
    cells: Mapping[str, str] = field(default_factory=dict)
    split_id: int | None = None


@dataclass(frozen=True)
class CorrelationRecord:
    """A stored run of correlations without its arrays; see `NewCorrelation`."""

    id: int
    sae_digest: str
    analysis_ids: tuple[int, ...]
    spec: dict[str, Any]
    meta: dict[str, Any]
    created_at: str
    name: str
    cells: dict[str, str]
    split_id: int | None


@dataclass(frozen=True)
class CorrelationRow:
    """One feature against one cell type by one statistic; None where it is not defined.

    `p` is family-wise (permutation of the maximum), `q` is Benjamini-Hochberg; `reason` says why
    a value is not defined.
    """

    feature: int
    cell_type: str
    n_tiles: int
    n_slides: int
    statistic: str
    value: float | None
    ci_low: float | None
    ci_high: float | None
    p: float | None
    q: float | None
    method: str
    unit: str
    reason: str = ""


@dataclass(frozen=True)
class TileValuesRecord:
    """Where numbers for places of a slide came from; `n_rows` is the number of places."""

    id: int
    slide_id: int
    source_name: str
    source_sha256: str
    names: tuple[str, ...]
    n_rows: int
    notes: tuple[str, ...]
    imported_at: str
    author: str
