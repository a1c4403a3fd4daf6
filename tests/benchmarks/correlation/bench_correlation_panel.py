"""How long the correlations panel takes to show, sort, filter and draw a large run, against the limit of 300 ms.

Run as ``QT_QPA_PLATFORM=offscreen python -m tests.benchmarks.correlation.bench_correlation_panel [--features 12288] [--types 40]
[--tiles 240000]``. The times hold what is done at once and the painting that follows.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable

os.environ["QT_API"] = "pyside6"

import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication

from desktop_app.project.correlation.frame import CorrelationFrame
from desktop_app.project.correlation.pair import PairPoints
from desktop_app.project.correlation.query import Names
from desktop_app.store import CorrelationRecord
from desktop_app.widgets.correlation.charts import ALL_PAIRS, TILES
from desktop_app.widgets.correlation.correlations import CorrelationsPanel
from desktop_app.widgets.correlation.filter import MATRIX, TABLE

LIMIT_MS = 300.0


def made_up(n_features: int, n_types: int) -> CorrelationFrame:
    """Random correlations with all fields."""
    rng = np.random.default_rng(0)
    shape = (n_features, n_types)
    r, p = np.clip(rng.normal(0, 0.12, shape), -1, 1), rng.uniform(0, 1, shape)
    fields = {"value": r, "ci_low": r - 0.1, "ci_high": r + 0.1, "p": p, "q": p, "same_sign": p, "choose": r}
    arrays = {f"pearson/{name}": array for name, array in fields.items()}
    arrays |= {"pearson/band": np.full(n_types, 0.3), "auroc": p}
    meta = {
        "type_names": [f"type {i}" for i in range(n_types)], "statistics": ["pearson"], "reasons": [""],
        "n_tiles": 100_000, "n_slides": 24, "n_clusters": 24, "unit": "patient", "method": "", "notes": [],
    }  # fmt: skip
    record = CorrelationRecord(1, "sae", (1,), {}, meta, "2026-01-01", "Run 1", {}, None)
    return CorrelationFrame(record, "pearson", arrays)


def main() -> None:
    """Print a line a step."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--features", type=int, default=12_288)
    parser.add_argument("--types", type=int, default=40)
    parser.add_argument("--tiles", type=int, default=240_000)
    options = parser.parse_args()
    app = QApplication([])
    frame, panel = made_up(options.features, options.types), CorrelationsPanel()
    panel.resize(930, 380)
    panel.show()
    app.processEvents()
    rng, n = np.random.default_rng(1), options.tiles
    slides = tuple((i, f"slide {i}") for i in range(24))
    points = PairPoints(
        rng.poisson(3, n).astype(float), rng.exponential(1, n), np.arange(n), np.arange(n) % 24, slides
    )
    steps: list[tuple[str, Callable[[], object]]] = [
        ("show the run", lambda: panel.show_frame(frame, Names())),
        ("open the matrix", lambda: panel.filter.views.setCurrentIndex(MATRIX)),
        ("sort the matrix", lambda: panel.matrix._sort(10)),
        ("only small q", lambda: panel.filter.only.setCurrentIndex(1)),
        ("all pairs again", lambda: panel.filter.only.setCurrentIndex(0)),
        ("open the table", lambda: panel.filter.views.setCurrentIndex(TABLE)),
        ("sort the table by q", lambda: panel.table.sortByColumn(6, Qt.SortOrder.AscendingOrder)),
        ("draw all pairs", lambda: panel.charts.tabs.setCurrentIndex(ALL_PAIRS)),
        ("choose a pair", lambda: panel.mark_pair(100, 7)),
        ("open the tiles", lambda: panel.charts.tabs.setCurrentIndex(TILES)),
        (f"draw {n:,} tiles", lambda: panel.charts.show_points(points, ("cells", "activation"), 0.1)),
    ]
    slowest = 0.0
    for name, step in steps:
        start = time.perf_counter()
        step()
        app.processEvents()
        taken = 1000 * (time.perf_counter() - start)
        slowest = max(slowest, taken)
        print(f"{name:24} {taken:6.0f} ms")
    print(f"slowest {slowest:.0f} ms, limit {LIMIT_MS:.0f} ms: {'ok' if slowest <= LIMIT_MS else 'TOO SLOW'}")


if __name__ == "__main__":
    main()
