"""Monosemanticity without labels over the blocks, in words, as a figure and as columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sae_backend.statistics.number_text import value_text
from sae_backend.studies.depth.findings import DepthFindings
from sae_backend.studies.framework.report import Figure, Line, Mark, as_column


def _judge(found: DepthFindings) -> str:
    assert found.judge is not None
    return found.judge.title + (" (control, random weights)" if found.judge.is_control else "")


def _is_known(found: DepthFindings) -> bool:
    return found.judge is not None and bool(np.isfinite(found.alike.sae[:, 1]).any())


def label_free_words(found: DepthFindings) -> str:
    """Sentences on the scores of the first block and the last."""
    if not _is_known(found):
        return (
            "How alike the tiles of a feature look without labels is not said: that takes another encoder which saw all "
            "slides on the same tiles."
        )
    features, raw, pairs, above = (found.alike.sae, found.alike.raw, found.alike.pairs, found.alike.above)
    first, last = features[[0, -1]]
    text = (
        f"Without labels: in the eyes of {_judge(found)} tiles in which a feature of the first block fires are alike with a "
        f"mean cosine of {value_text(first[1])} (median of {int(first[0]):,} features), those of the last block with "
        f"{value_text(last[1])} ({int(last[0]):,})"
    )
    if np.isfinite(raw[[0, -1], 1]).all():
        text += f"; of raw dimensions {value_text(raw[0, 1])} and {value_text(raw[-1, 1])}"
    text += f"; any two tiles {value_text(pairs[0, 0])}."
    if np.isfinite(above[[0, -1], 0]).all():
        text += (
            f" {int(above[0, 0]):,} of {int(first[0]):,} features of the first and {int(above[-1, 0]):,} of {int(last[0]):,} of the last are above what 95 % of the "
            "features reach by chance. These numbers have no interval: whether they change with depth is not judged."
        )
    return text


def label_free_figure(found: DepthFindings) -> Figure | None:
    """Median score of each block; None where nobody judged."""
    if not _is_known(found):
        return None
    x = found.blocks
    marks: list[Mark] = [
        Line(x, found.alike.pairs[:, 0], "any two tiles", is_baseline=True, is_dashed=True),
    ]
    if np.isfinite(found.alike.above[:, 1]).any():
        label = "95 % of the features by chance"
        marks.append(Line(x, found.alike.above[:, 1], label, is_baseline=True, is_dashed=True))
    for values, title in ((found.alike.raw, "raw dimensions"), (found.alike.sae, "features")):
        if np.isfinite(values[:, 1]).any():
            median, low, high = values[:, 1:].T
            marks.append(Line(x, median, title, low, high, is_baseline=values is found.alike.raw))
    weak = (
        " Its weights are random, so that it is a weak judge."
        if found.judge and found.judge.is_control
        else ""
    )
    n = int(np.nanmax(found.alike.pairs[:, 1]))
    return Figure(
        "label-free",
        "Label-free monosemanticity",
        f"Mean cosine of pairs of tiles, weighted by a column's activations, in the eyes of {_judge(found)}.{weak} Median and "
        f"quartiles over columns, not an interval; all {n:,} tiles, as no label chooses anything. By chance: the judging "
        "vectors are those of another patient.",
        "block",
        "mean cosine",
        marks,
    )


def label_free_columns(found: DepthFindings) -> dict[str, Sequence[Any]]:
    """Columns of the table of blocks; none where nobody judged."""
    if not _is_known(found):
        return {}
    return {
        "label-free score, features": as_column(found.alike.sae[:, 1]),
        "label-free score, dimensions": as_column(found.alike.raw[:, 1]),
        "label-free score, any two tiles": as_column(found.alike.pairs[:, 0]),
        "label-free score, effect": as_column(found.alike.effect[:, 0]),
        "features above the limit of chance": as_column(found.alike.above[:, 0]),
    }
