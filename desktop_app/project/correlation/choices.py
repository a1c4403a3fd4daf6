"""What a project has to offer for a run of correlations: covariates, units, targets, and the split in force."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from desktop_app.project.correlation.jobs import patient_of
from desktop_app.project.correlation.options import CELLS, HIFS, TILE_VALUES
from sae_backend.statistics.covariates import GENERAL

if TYPE_CHECKING:
    from desktop_app.store import SplitRecord, Store

_MOST_VALUES: Final = 60


@dataclass(frozen=True)
class CorrelationOffer:
    """What can be chosen.

    Attributes
    ----------
    n_slides, n_patients
        Slides that take part, and patients known of them (0 where no table names any).
    covariates
        Those that the project has values for.
    targets
        Kinds of targets that the project has.
    split
        The split in force in words, empty where there is none yet.
    """

    n_slides: int
    n_patients: int
    covariates: tuple[str, ...]
    targets: tuple[str, ...]
    split: str = ""


def offer_of(store: Store) -> CorrelationOffer:
    """What the project has for its current features."""
    current = store.analyses.current()
    slides = {
        one.slide_id
        for one in store.analyses.all()
        if current is not None
        and one.feature_folder is not None
        and (one.sae_digest, one.tile_spec) == (current.sae_digest, current.tile_spec)
    }
    with_cells = {slide_id for slide_id in slides if store.cells.version(slide_id)}
    with_values = {slide_id for slide_id in slides if store.tile_values.get(slide_id) is not None}
    values = store.slide_values.all()
    known = {slide_id: values.get(slide_id, {}) for slide_id in with_cells | with_values}
    targets = [CELLS, HIFS] * bool(with_cells) + [TILE_VALUES] * bool(with_values)
    split = store.splits.current()
    return CorrelationOffer(
        n_slides=len(known),
        n_patients=len({patient for facts in known.values() if (patient := patient_of(facts))}),
        covariates=(*GENERAL, *_columns(list(known.values()))),
        targets=tuple(targets),
        split="" if split is None else split_words(split),
    )


def _columns(facts: list[dict[str, str]]) -> list[str]:
    """Columns of the slide table that every slide has and that differ, but not from slide to slide."""
    keys = sorted({key for known in facts for key in known})
    found = []
    for key in keys:
        texts = {known.get(key, "") for known in facts}
        if "" not in texts and 1 < len(texts) <= min(_MOST_VALUES, max(len(facts) - 1, 1)):
            found.append(key)
    return found


def split_words(split: SplitRecord) -> str:
    """A split in one line: how many in each half, seed, since when."""
    made = f"seed {split.seed}, kept since {split.created_at[:10]}"
    if split.unit == "block":
        return f"{split.name}: each slide is cut into two halves ({made})."
    halves = Counter(split.assignments.values())
    return f"{split.name}: {halves['choose']} {split.unit}s choose, {halves['report']} report ({made})."
