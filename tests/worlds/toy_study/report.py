"""Reports firing rates."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from sae_backend.studies.framework.report import Bars, Figure, Number, Report, Table
from sae_backend.studies.framework.result import StudyResult


def make_report(result: StudyResult, _thresholds: Mapping[str, float]) -> Report:
    """List the features that fire most."""
    meta, rate = result.meta, result.arrays["rate"]
    order = np.argsort(-rate, kind="stable")[: meta["most"]]
    listed = order[rate[order] >= meta["least"]]
    names = [str(feature) for feature in listed]
    return Report(
        found=f"{listed.size} features of slides from {', '.join(meta['labels'])} fire in {meta['least']:.0%} or more.",
        limits="A rate says nothing of cells.",
        short=f"Feature {names[0]} fires most.",
        figures=[Figure("rates", "Rates", "All tiles.", "feature", "share", [Bars(rate[listed])], names)],
        tables=[Table("rates", "Rates", {"feature": listed.tolist(), "rate": rate[listed].tolist()}, {})],
    )


def numbers(result: StudyResult, _thresholds: Mapping[str, float]) -> list[Number]:
    """The largest rate."""
    return [Number("largest rate", float(result.arrays["rate"].max()))]
