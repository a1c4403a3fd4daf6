"""Frozen records of studies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy.typing as npt


@dataclass(frozen=True)
class NewStudy:
    """A finished study to be added.

    Attributes
    ----------
    kind
        Which study.
    sae_digest
        Of its first feature set.
    request
        Plain JSON with which it can be made again: settings, slides with what was known of them, halves.
    sets
        The feature sets: `title`, `model`, and folders of features and embeddings relative to the cache.
    meta
        What the study says of its arrays; plain JSON.
    arrays
        Numbers by name.
    name
        What the run is called; empty for a number.
    cells
        State of the cells by the slide's fingerprint, see `CellRows.version`.
    split_id
        The split in force, None without one.
    """

    kind: str
    sae_digest: str
    request: Mapping[str, Any]
    sets: Sequence[Mapping[str, Any]]
    meta: Mapping[str, Any]
    arrays: Mapping[str, npt.NDArray[Any]]
    name: str = ""
    cells: Mapping[str, str] = field(default_factory=dict)
    split_id: int | None = None


@dataclass(frozen=True)
class StudyRecord:
    """A stored study without its arrays; see `NewStudy`. `uid` is the same in every copy of the project."""

    id: int
    uid: str
    kind: str
    name: str
    sae_digest: str
    request: dict[str, Any]
    sets: tuple[dict[str, Any], ...]
    meta: dict[str, Any]
    cells: dict[str, str]
    split_id: int | None
    created_at: str
    author: str


@dataclass(frozen=True)
class ClusterNameRecord:
    """A name that somebody gave to a cluster of a study, such as "directions 3"; `at` is UTC in ISO 8601."""

    study_id: int
    cluster: str
    name: str
    author: str
    at: str
