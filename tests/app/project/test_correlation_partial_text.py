"""The summary of a run on the terminal: signs, and what is left with covariates held fixed."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from desktop_app.project.correlation.text import strongest_text

META = {
    "n_tiles": 1200, "n_slides": 12, "n_clusters": 12, "unit": "patient", "kind": "patient", "method": "m", "notes": [],
    "type_names": ["A"], "statistics": ["pearson", "partial"], "reasons": [""], "held_out": False, "split": None,
    "baselines": [], "judged": True, "covariates": ["cellularity", "site"],
}  # fmt: skip
ARRAYS = {
    "pearson/value": [[0.5], [-0.001]], "pearson/ci_low": [[0.4], [-0.1]], "pearson/ci_high": [[0.6], [0.003]],
    "pearson/p": [[0.001], [1.0]], "pearson/q": [[0.001], [1.0]], "pearson/band": [0.2],
    "partial/value": [[0.02], [np.nan]], "partial/p": [[0.8], [np.nan]],
}  # fmt: skip


def test_the_partial_correlation_stands_beside_the_plain_one() -> None:
    run: Any = SimpleNamespace(meta=META)
    text = strongest_text(run, {name: np.array(values) for name, values in ARRAYS.items()})
    first, second = (line for line in text.splitlines() if line.startswith("  feature"))
    assert first.endswith("p 0.001; with cellularity and site held fixed 0.02 (p 0.8)")
    assert second.endswith("0.00 (95 % interval −0.10 to 0.00), family-wise p 1"), "nothing has no sign"
