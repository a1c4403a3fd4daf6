"""Correlations as the store takes them, from rows that a test can be read by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from desktop_app.store import NewCorrelation

NUMBERS = ("value", "ci_low", "ci_high", "p", "q")


def correlation_of(
    sae_digest: str, analysis_ids: tuple[int, ...], meta: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]
) -> NewCorrelation:
    """A run in which only the pairs of these rows have numbers or a reason."""
    types = list(dict.fromkeys(row["cell_type"] for row in rows))
    statistics = list(dict.fromkeys(row["statistic"] for row in rows))
    reasons = list(dict.fromkeys(["", *(row.get("reason", "") for row in rows)]))
    shape = (max((row["feature"] for row in rows), default=-1) + 1, len(types))
    arrays: dict[str, Any] = {}
    for statistic in statistics:
        arrays |= {f"{statistic}/{field}": np.full(shape, np.nan) for field in NUMBERS}
        arrays[f"{statistic}/reason"] = np.zeros(shape, np.uint8)
    for row in rows:
        place = (row["feature"], types.index(row["cell_type"]))
        for field in NUMBERS:
            value = row.get(field)
            arrays[f"{row['statistic']}/{field}"][place] = np.nan if value is None else value
        arrays[f"{row['statistic']}/reason"][place] = reasons.index(row.get("reason", ""))
    named = {**meta, "type_names": types, "statistics": statistics, "reasons": reasons}
    return NewCorrelation(sae_digest, analysis_ids, {}, named, arrays)
