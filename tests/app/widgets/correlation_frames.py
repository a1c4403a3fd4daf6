"""Runs of correlations of a few features, whose numbers a test can be read by."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from desktop_app.project.correlation.frame import CorrelationFrame
from desktop_app.store import CorrelationRecord

TYPES = ("lymphocyte", "plasma cell", "stroma")
R = np.array([[0.7, 0.1, np.nan], [-0.5, 0.45, np.nan], [0.05, -0.02, np.nan], [0.3, 0.6, np.nan]])
P = np.array([[0.001, 0.4, np.nan], [0.01, 0.2, np.nan], [0.9, 1.0, np.nan], [0.3, 0.001, np.nan]])


def meta_of(**changes: Any) -> dict[str, Any]:
    """What a run says of itself, for 12 of 24 patients."""
    return {
        "n_tiles": 8310, "n_slides": 12, "n_clusters": 12, "unit": "patient", "kind": "patient", "method": "m",
        "notes": ["a note"], "type_names": list(TYPES), "is_count": [True] * 3, "statistics": ["pearson"],
        "reasons": ["", "constant cell type"], "held_out": True, "probe_k": [1, 3],
        "split": {"unit": "patient", "seed": 0, "n_choose": 12, "n_report": 12}, "baselines": ["sae", "raw"],
        "baseline_titles": {"sae": "SAE features", "raw": "raw embedding dimensions"},
        **changes,
    }  # fmt: skip


def frame_of(
    changes: Mapping[str, Any] | None = None, arrays: Mapping[str, Any] | None = None, **record: Any
) -> CorrelationFrame:
    """Four features and three types, the last without a value."""
    meta = meta_of(**(changes or {}))
    reason = np.zeros(R.shape, np.uint8)
    reason[:, 2] = 1
    known: dict[str, Any] = {
        "pearson/value": R, "pearson/ci_low": R - 0.1, "pearson/ci_high": R + 0.1, "pearson/p": P,
        "pearson/q": P / 5, "pearson/reason": reason, "pearson/band": np.array([0.2, 0.5, np.nan]),
        "pearson/choose": R + 0.05, "auroc": np.full(R.shape, 0.8),
    }  # fmt: skip
    for name, value in (("sae", 0.7), ("raw", 0.4)):
        one = np.array([value, value, np.nan])
        known |= {
            f"baseline/{name}/column": np.array([0, 3, -1]), f"baseline/{name}/choose": one,
            f"baseline/{name}/value": one, f"baseline/{name}/ci_low": one - 0.1,
            f"baseline/{name}/ci_high": one + 0.1,
        }  # fmt: skip
        probes = np.stack([one, one + 0.1])
        known |= {f"baseline/{name}/probe_{key}": probes for key in ("r2", "low", "high")}
    fields = {"id": 1, "sae_digest": "a", "name": "Run 1", **record}
    made = CorrelationRecord(
        analysis_ids=(1,), spec={}, meta=meta, created_at="2026-01-01", cells={}, split_id=None, **fields
    )
    return CorrelationFrame(made, "pearson", {**known, **(arrays or {})})


def without_p() -> CorrelationFrame:
    """The same from three patients: no interval and no p."""
    nothing = np.full(R.shape, np.nan)
    keys = ("ci_low", "ci_high", "p", "q")
    changes = {"n_clusters": 3, "n_slides": 3}
    return frame_of(
        changes, {**{f"pearson/{key}": nothing for key in keys}, "pearson/band": np.full(3, np.nan)}
    )
