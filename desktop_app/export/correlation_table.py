"""A run of the correlations as a file: CSV, TSV, Parquet, a workbook or JSON, with all it was made from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from desktop_app.export.tables import check_table_name, write_table
from desktop_app.project.correlation.methods_text import methods_text
from desktop_app.project.correlation.provenance import provenance
from desktop_app.store import CorrelationRecord, Store
from sae_backend.atomic_write import atomic_path, write_text_atomic

_FIELDS: Final = (
    "value", "ci_low", "ci_high", "bca_low", "bca_high", "percentile_low", "percentile_high",
    "p", "p_single", "q", "same_sign", "choose",
)  # fmt: skip
_SHARED: Final = (
    "n_tiles", "n_slides", "n_clusters", "unit", "held_out", "halves", "interval", "covariates", "method", "run",
    "date", "encoder", "encoder_digest", "encoder_is_control", "encoder_licence", "sae_sha",
)  # fmt: skip


def write_correlations(store: Store, run: CorrelationRecord, path: Path) -> int:
    """Write a run in long form, one row a feature, type and statistic; returns the number of rows.

    The kind of file follows its ending. In text tables and workbooks nothing that a spreadsheet would
    take for a formula stands at the start of a text.

    Raises
    ------
    UserInputError
        For another ending, or more rows than a sheet holds.
    CacheError
        When the file cannot be written.
    """
    suffix = check_table_name(path, what="Correlations")
    arrays = store.correlations.arrays(run.id)
    facts = provenance(store, run)
    if suffix == ".json":
        write_text_atomic(path, json.dumps(_document(run, arrays, facts)))
        return sum(arrays[f"{statistic}/value"].size for statistic in run.meta["statistics"])
    table = long_table(store, run, arrays, facts)
    if suffix == ".xlsx":
        from desktop_app.export.correlation_workbook import write_workbook

        with atomic_path(path) as temporary:
            write_workbook(temporary, table, arrays, run, facts, methods_text(store, run))
        return int(table.num_rows)
    return write_table(path, table, about=facts)


def long_table(
    store: Store,
    run: CorrelationRecord,
    arrays: Mapping[str, npt.NDArray[Any]],
    facts: Mapping[str, Any],
) -> pa.Table:
    """All pairs by all statistics; what is not defined is null and has a reason."""
    meta = run.meta
    names, reasons = meta["type_names"], np.array(meta["reasons"], object)
    n_features = len(arrays[f"{meta['statistics'][0]}/value"])
    notes = {note.feature: note.name for note in store.annotations.all(run.sae_digest)}
    feature = np.repeat(np.arange(n_features, dtype=np.int32), len(names))
    titles = pa.array([notes.get(f, "") for f in range(n_features)])
    tables = []
    for statistic in meta["statistics"]:
        columns: dict[str, Any] = {
            "feature": feature,
            "feature_name": titles.take(pa.array(feature)),
            "cell_type": pa.DictionaryArray.from_arrays(
                np.tile(np.arange(len(names), dtype=np.int32), n_features), pa.array(names)
            ).cast(pa.string()),
            "statistic": pa.repeat(statistic, feature.size),
        }
        for field in _FIELDS:
            found = arrays.get(f"{statistic}/{field}")
            values = np.full(feature.size, np.nan) if found is None else found.ravel().astype(np.float64)
            columns[field] = pa.array(values, from_pandas=True)
        band = arrays.get(f"{statistic}/band")
        columns["chance"] = _nullable(None if band is None else np.tile(band, n_features), feature.size)
        columns["auroc"] = _nullable(arrays.get("auroc"), feature.size)
        for key in ("entropy", "gap"):
            found = arrays.get(f"selectivity/{key}")
            columns[key] = _nullable(None if found is None else found[feature], feature.size)
        codes = arrays.get(f"{statistic}/reason", arrays.get("reason"))
        columns["reason"] = pa.array(reasons[codes.ravel()] if codes is not None else [""] * feature.size)
        for key in _SHARED:
            columns[key] = pa.repeat(pa.scalar(facts[key]), feature.size)
        columns["slide_fingerprint"] = pa.repeat(_joined(facts, "slide_fingerprint"), feature.size)
        columns["embedding_sha"] = pa.repeat(_joined(facts, "embedding_sha"), feature.size)
        columns["cells_sha256"] = pa.repeat(_joined(facts, "cells_sha256"), feature.size)
        columns["version"] = pa.repeat(str(facts["versions"].get("sparsescope", "")), feature.size)
        tables.append(pa.table(columns))
    return pa.concat_tables(tables)


def _nullable(found: npt.NDArray[Any] | None, n: int) -> pa.Array:
    values = np.full(n, np.nan) if found is None else found.ravel().astype(np.float64)
    return pa.array(values, from_pandas=True)


def _joined(facts: Mapping[str, Any], key: str) -> str:
    """Digests of all slides, shortened where there are many: the whole list is in JSON and Parquet."""
    digests = list(dict.fromkeys(slide[key] for slide in facts["slides"] if slide[key]))
    if len(digests) <= 4:
        return ";".join(digests)
    return f"{len(digests)} digests: " + ";".join(digest[:12] for digest in digests)


def _document(
    run: CorrelationRecord, arrays: Mapping[str, npt.NDArray[Any]], facts: Mapping[str, Any]
) -> dict[str, Any]:
    return {
        "kind": "sparsescope correlations",
        "provenance": dict(facts),
        "meta": run.meta,
        "arrays": {name: _plain(array) for name, array in sorted(arrays.items())},
    }


def _plain(array: npt.NDArray[Any]) -> Any:
    """Nested lists; what is not finite is null."""
    if array.dtype.kind != "f":
        return array.tolist()
    plain = array.astype(object)
    plain[~np.isfinite(array)] = None
    return plain.tolist()
