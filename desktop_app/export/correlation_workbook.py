"""A run of the correlations as a workbook: what a reader wants first, then everything."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from desktop_app.export.tables import workbook, write_row, write_sheet
from desktop_app.store import CorrelationRecord


def write_workbook(
    path: Path,
    table: pa.Table,
    arrays: Mapping[str, npt.NDArray[Any]],
    run: CorrelationRecord,
    facts: Mapping[str, Any],
    methods: str,
) -> None:
    """Write sheets About, Best, Features, Baselines and Correlations.

    Texts are stored as texts, never as formulas.

    Raises
    ------
    UserInputError
        When there are more pairs than a sheet has rows.
    """
    with workbook(path) as book:
        _about(book, run, facts, methods)
        _best(book, arrays, run)
        if "selectivity/entropy" in arrays:
            _features(book, arrays, run)
        if len(run.meta.get("baselines", [])) > 1:
            _baselines(book, arrays, run)
        write_sheet(book, "Correlations", table, frozen_columns=2)


def _about(book: Any, run: CorrelationRecord, facts: Mapping[str, Any], methods: str) -> None:
    sheet = book.add_worksheet("About")
    sheet.set_column(0, 0, 24)
    sheet.set_column(1, 1, 110)
    rows: list[tuple[str, Any]] = [
        (key, facts[key]) for key in (
            "run", "date", "n_tiles", "n_slides", "n_clusters", "unit", "held_out", "halves", "interval", "covariates", "encoder", "encoder_licence",
            "encoder_digest", "sae_sha", "method",
        )
    ]  # fmt: skip
    rows += [("note", note) for note in run.meta["notes"]]
    rows += [
        (
            "slide",
            f"{slide['slide']}; fingerprint {slide['slide_fingerprint']}; embeddings {slide['embedding_sha']}; "
            f"cells {slide['cells_sha256'] or 'none'} ({slide['cells_tool']})",
        )
        for slide in facts["slides"]
    ]
    rows += [(f"version of {name}", version) for name, version in facts["versions"].items()]
    rows.append(("methods", methods.strip()))
    for at, (key, value) in enumerate(rows):
        write_row(sheet, at, (key, value if isinstance(value, int | float) else str(value)))


def _best(book: Any, arrays: Mapping[str, npt.NDArray[Any]], run: CorrelationRecord) -> None:
    """The ten strongest features of each type, by the discovery half where there is one."""
    sheet = book.add_worksheet("Best")
    sheet.freeze_panes(1, 0)
    header = (
        "cell_type",
        "rank",
        "feature",
        "statistic",
        "value",
        "ci_low",
        "ci_high",
        "p",
        "q",
        "choose",
        "chance",
    )
    write_row(sheet, 0, header)
    statistic = run.meta["statistics"][0]
    chosen = arrays.get(f"{statistic}/choose", arrays[f"{statistic}/value"])
    at = 1
    for c, name in enumerate(run.meta["type_names"]):
        strength = np.nan_to_num(np.abs(chosen[:, c]), nan=-1.0)
        for rank, f in enumerate(np.argsort(-strength, kind="stable")[:10]):
            if strength[f] < 0:
                break
            numbers = [arrays[f"{statistic}/{key}"][f, c] for key in ("value", "ci_low", "ci_high", "p", "q")]
            last = chosen[f, c] if f"{statistic}/choose" in arrays else np.nan
            chance = float(arrays[f"{statistic}/band"][c]) if f"{statistic}/band" in arrays else np.nan
            write_row(
                sheet, at, (name, rank + 1, int(f), statistic, *map(float, numbers), float(last), chance)
            )
            at += 1


def _features(book: Any, arrays: Mapping[str, npt.NDArray[Any]], run: CorrelationRecord) -> None:
    """How selective each feature is."""
    sheet = book.add_worksheet("Features")
    sheet.freeze_panes(1, 0)
    write_row(sheet, 0, ("feature", "best_type", "beats_null", "entropy", "gap"))
    names = run.meta["type_names"]
    columns = [arrays[f"selectivity/{key}"] for key in ("best_type", "beats_null", "entropy", "gap")]
    for f, (best, beats, entropy, gap) in enumerate(zip(*columns, strict=True)):
        name = names[int(best)] if best >= 0 else ""
        write_row(sheet, f + 1, (f, name, bool(beats), float(entropy), float(gap)))


def _baselines(book: Any, arrays: Mapping[str, npt.NDArray[Any]], run: CorrelationRecord) -> None:
    sheet = book.add_worksheet("Baselines")
    sheet.freeze_panes(1, 0)
    ks = run.meta["probe_k"]
    write_row(
        sheet,
        0,
        ("cell_type", "columns", "best column", "r on discovery half", "r", "ci_low", "ci_high",
         *(f"probe R2, k={k}" for k in ks)),
    )  # fmt: skip
    at = 1
    for c, name in enumerate(run.meta["type_names"]):
        for key in run.meta["baselines"]:
            found = {field: arrays[f"baseline/{key}/{field}"] for field in (
                "column", "choose", "value", "ci_low", "ci_high", "probe_r2"
            )}  # fmt: skip
            numbers = [float(found[field][c]) for field in ("choose", "value", "ci_low", "ci_high")]
            probes = [float(found["probe_r2"][i, c]) for i in range(len(ks))]
            title = run.meta["baseline_titles"][key]
            write_row(sheet, at, (name, title, int(found["column"][c]), *numbers, *probes))
            at += 1
