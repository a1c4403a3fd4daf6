"""What the study of scanner and stain is: its settings, what it needs, and what it gives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from sae_backend.studies.framework.settings import (
    SEED,
    Setting,
    column,
    count,
    group_column,
    interval_draws,
    label_shuffles,
    most_tiles,
    permutations,
)
from sae_backend.studies.framework.study import AnalysedSet, Analysis, FeatureScore, RowKeys, Spec, Study


def _control(
    current: AnalysedSet[Analysis], others: Sequence[AnalysedSet[Analysis]], _spec: Spec
) -> list[AnalysedSet[Analysis]]:
    """The newest of a random encoder; it stands beside the others only where no slide is lost by it."""
    return [one for one in others if one.model["is_control"] and one.covers(current)][-1:]


def _scores(_meta: Mapping[str, Any], spec: Spec, run: str) -> list[FeatureScore]:
    fact = str(spec["fact"])
    note = f"Share of the variance between slides that lies between values of {fact} (omega2; {run})"
    return [FeatureScore(f"effect/{fact}/omega2", f"{fact} effect", note)]


STUDY: Final = Study(
    kind="robustness",
    package="sae_backend.studies.robustness",
    title="Scanner and stain",
    question="How well can the scanner or site be read from the features, and which features depend on it?",
    needs="Slides from at least two scanners or sites, several patients each; cells separate biology from technique.",
    settings=(
        group_column("Scanner or site", "scanner"),
        column(
            "label", "Disease or group", help="column of the slide table with the disease or group",
            tip="Whether it goes with the scanner is looked at.",
        ),
        column(
            "paired_by", "Same glass",
            help="column that names the glass, where one glass was scanned several times",
            tip="Column that names the glass where it was scanned several times.",
        ),
        Setting(
            key="stress_tiles", title="Tiles to change", kind="whole", default=200, high=1_000_000,
            help="tiles that are changed and encoded again; 0 for none",
            tip="They are encoded again under changes of stain, focus and file; 0 for none.",
        ),
        count(
            "neighbours", "Nearest tiles", 10, 1, 1000, "nearest tiles that the robustness index looks at",
            "The robustness index looks at so many.",
        ),
        SEED,
        interval_draws("n_bootstrap", 1000),
        permutations(999),
        label_shuffles(199),
        most_tiles(3000),
    ),
    needs_cells=True,
    column_says="scanner or site",
    other_sets=_control,
    equip="sae_backend.compute.studies.reencode",
    row_keys={
        "features": RowKeys(("feature",), 0, ("fact",)),
        "reading": RowKeys(("label", "read from")),
        "confounding": RowKeys(("column",), None, ("fact",)),
        "stress": RowKeys(("feature", "moved most by"), 0),
    },
    scores=_scores,
)  # fmt: skip
