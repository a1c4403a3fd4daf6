"""How well the scanner and the site are read from block to block, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from sae_backend.studies.framework.result import StudyResult
from sae_backend.studies.methods.cell_types.held_out_shown import count, interval, listed, with_interval
from sae_backend.studies.methods.labels.predictability import MIN_GROUPS


def read_words(result: StudyResult, name: str) -> str:
    """How well one column of the slide table is read, in the first block and in the last."""
    about, values = result.meta["read"][name], result.arrays[name]
    fact = about["fact"]
    if about["reason"]:
        return f"The {fact} was not read from the tiles: {about['reason']}."
    if not np.isfinite(values[[0, -1], 0, 0]).all():
        return ""
    first, last = values[0, 0], values[-1, 0]
    return (
        f"From the features the {fact} of other patients is read with an AUROC of {with_interval(*first[:3])} in the first "
        f"block and {with_interval(*last[:3])} in the last, where exchanged labels give {interval(last[3], last[4])}"
        f"{_left_out(about)}."
    )


def _left_out(about: Mapping[str, Any]) -> str:
    """Labels that took no part; runs of earlier versions left none out."""
    names = about.get("left_out", [])
    if not names:
        return ""
    each = "it" if len(names) == 1 else "each"
    return (
        f" ({about['n_patients']} patients with {listed(about['classes'])}; {listed(names)} left out, as fewer than {MIN_GROUPS} "
        f"patients have {each})"
    )


def what_was_read(result: StudyResult) -> str:
    """From which SAE, patients and tiles; and why another study may give another number. Empty where nothing was read."""
    read = [about for about in result.meta["read"].values() if not about["reason"]]
    if not read:
        return ""
    one = max(read, key=lambda about: int(about["n_patients"]))
    patients = count(one["n_patients"], "patient")
    whose = (
        f"the {patients} whose {one['fact']} is not left out" if one.get("left_out") else f"all {patients}"
    )
    return (
        f"This was read from the SAE that was trained for each block here, on {count(one['n_tiles'], 'tile')} of {whose} "
        f"in {count(one['n_folds'], 'fold')}; Scanner and stain reads the project's own SAE, on "
        "the patients that report alone, which leaves fewer to learn from, so that its AUROC may differ."
    )
