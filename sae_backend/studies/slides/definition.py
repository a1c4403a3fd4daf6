"""What the study of slides and patients is: its settings, what it needs, and what it gives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from sae_backend.studies.framework.settings import (
    FIRST_GROUP,
    SECOND_GROUP,
    SEED,
    Setting,
    column,
    group_column,
)
from sae_backend.studies.framework.study import FeatureScore, RowKeys, Spec, Study


def _scores(meta: Mapping[str, Any], _spec: Spec, run: str) -> list[FeatureScore]:
    note = f"Difference of the means of patients in standard deviations of patients ({run})"
    return [FeatureScore("group/effect", f"{meta.get('a')} less {meta.get('b')}", note)]


STUDY: Final = Study(
    kind="slides",
    package="sae_backend.studies.slides",
    title="Slides and patients",
    question="How do slides and patients differ in their features, and do two groups differ?",
    needs="Analysed slides; to compare groups, a column of the slide table with two values and several patients each.",
    settings=(
        group_column("Groups by"),
        FIRST_GROUP,
        SECOND_GROUP,
        column(
            "within", "Compare within",
            help="exchange patients only where this column is the same, such as site",
            tip="Patients are exchanged only where this is the same.",
        ),
        Setting(
            key="measure", title="Measure", kind="choice", default="mean", metavar="mean|rate|top",
            choices=(
                ("mean", "mean activation"),
                ("rate", "share of tiles that fire"),
                ("top", "mean of the strongest tenth"),
            ),
            help="a slide's mean activation, its share of tiles that fire, or the mean of its strongest tenth",
            tip="What a slide is summed up by.",
        ),
        SEED,
    ),
    format=3,
    row_keys={
        "slides-difference": RowKeys(("feature",), 0, ("fact", "a", "b", "measure")),
        "slides-shared": RowKeys(("column",)),
        "slides-nearest": RowKeys(("slide", "alike slide")),
        "slides-profiles": RowKeys(("slide",)),
    },
    scores=_scores,
)  # fmt: skip
