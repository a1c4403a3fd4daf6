"""Labels that too few patients have take no part."""

from __future__ import annotations

from collections.abc import Sequence

from sae_backend.studies.framework.inputs import StudyInput


def frequent(given: StudyInput, fact: str, slides: Sequence[int], least: int) -> list[int]:
    """Those slides whose label at least so many patients have; none unless that leaves two labels or more."""
    labels = given.fact(fact)
    patients: dict[str, set[str]] = {}
    for k in slides:
        patients.setdefault(labels[k], set()).add(given.slides[k].unit)
    kept = {label for label, some in patients.items() if len(some) >= least}
    return [k for k in slides if labels[k] in kept] if len(kept) > 1 else []
