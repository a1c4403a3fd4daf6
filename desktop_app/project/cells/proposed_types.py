"""Types of nuclei that a model proposes after it was shown some: what it needs, and how good it is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from desktop_app.store import CellEditRecord
from sae_backend.cells.nuclei.detection import DETECTOR
from sae_backend.cells.nuclei.proposals import MIN_LABELS


@dataclass(frozen=True)
class TypeScore:
    """How well a type was recognised among `n` labelled nuclei that the model had not seen."""

    name: str
    n: int
    precision: float
    recall: float
    f1: float


@dataclass(frozen=True)
class ModelScores:
    """Scores of a model from cross-validation, and how often it proposes each type on the slide.

    `baseline` is the balanced accuracy of always answering the most frequent type.
    """

    types: tuple[TypeScore, ...]
    balanced_accuracy: float
    baseline: float
    accuracy: float
    baseline_accuracy: float
    n_folds: int
    n_labels: int
    proposed: Mapping[str, int]

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> ModelScores:
        """Return the scores of a worker's answer."""
        types = tuple(TypeScore(**entry) for entry in record["types"])
        return cls(types=types, **{key: value for key, value in record.items() if key != "types"})


def labels_of(edits: Iterable[CellEditRecord], n_imported: int) -> dict[int, str]:
    """Types that people gave to imported cells, by number: the last one counts, and cells that were deleted do not."""
    labels: dict[int, str] = {}
    for record in edits:
        if record.edit.withdrawn or record.cell >= n_imported:
            continue
        if record.edit.kind == "retype":
            labels[record.cell] = record.edit.type_after
        elif record.edit.kind == "delete":
            labels.pop(record.cell, None)
    return labels


def missing_words(labels: Mapping[int, str]) -> str:
    """What is missing before a model can be trained; empty where nothing is."""
    counts = Counter(labels.values())
    if len(counts) < 2:
        return f"Training needs two types with {MIN_LABELS} typed nuclei each."
    scarce = [f"{MIN_LABELS - n} more {name}" for name, n in sorted(counts.items()) if n < MIN_LABELS]
    return f"Training needs {', '.join(scarce)}." if scarce else ""


def can_be_typed(tool: str, measures: Sequence[str]) -> bool:
    """Whether a model can learn types of the cells of an import: it needs what the detector measures."""
    return tool == DETECTOR and bool(measures)
