"""Tables for files: features and correlations, as CSV or Parquet, with what they were made from."""

from __future__ import annotations

import csv
import io
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from desktop_app.export.correlation_table import FORMULA_STARTS, write_correlations
from desktop_app.project.analysis_jobs import features_of, require_current
from desktop_app.project.correlation.provenance import run_of
from desktop_app.project.studies.scores import study_scores
from desktop_app.store import CorrelationRow, Store
from sae_backend.cache import disk_errors
from sae_backend.errors import UserInputError


def best_correlates(store: Store, sae_digest: str) -> dict[int, CorrelationRow]:
    """For each feature the row (Pearson) with the largest absolute value in the newest correlation."""
    newest = store.latest_correlation(sae_digest)
    best: dict[int, CorrelationRow] = {}
    for row in [] if newest is None else store.correlation_rows(newest.id):
        if row.statistic != "pearson" or row.value is None:
            continue
        known = best.get(row.feature)
        if known is None or known.value is None or abs(row.value) > abs(known.value):
            best[row.feature] = row
    return best


def feature_rows(store: Store) -> list[dict[str, Any]]:
    """One dict per feature of the current analysis; None where a value is not defined.

    Raises
    ------
    UserInputError
        When there is no analysis with features.
    """
    analysis = require_current(store)
    features = features_of(store, analysis)
    stats = features.stats
    notes = {note.feature: note for note in store.annotations(features.sae_digest)}
    best = best_correlates(store, features.sae_digest)
    slide = store.slide(analysis.slide_id)
    n_valid = int(features.valid.sum())
    scores = study_scores(store, features.sae_digest, features.n_features)
    rows = []
    for feature in range(features.n_features):
        note, match = notes.get(feature), best.get(feature)
        n_firing = int(stats.n_firing[feature])
        rows.append(
            {
                "feature": feature,
                "name": note.name if note else "",
                "tags": ";".join(note.tags) if note else "",
                "status": note.status if note else "unseen",
                "confidence": note.confidence if note else None,
                "firing_rate": float(stats.firing_rate[feature]),
                "n_firing": n_firing,
                "n_tiles": n_valid,
                "max": float(stats.max_value[feature]),
                "mean_when_firing": float(stats.mean_when_firing[feature]) if n_firing else None,
                "best_cell_type": match.cell_type if match else None,
                "best_pearson_r": match.value if match else None,
                "best_ci_low": match.ci_low if match else None,
                "best_ci_high": match.ci_high if match else None,
                "best_p_fwer": match.p if match else None,
                "best_q": match.q if match else None,
                "slide": slide.name,
                "encoder": analysis.encoder,
                "encoder_is_control": analysis.is_control,
                "layer": analysis.layer,
                "pooling": analysis.pooling,
                "sae_sha": features.sae_digest,
                "embedding_sha": features.embedding_digest,
                **{
                    f"study: {score.title}": value
                    if np.isfinite(value := float(score.values[feature]))
                    else None
                    for score in scores
                },
            }
        )
    return rows


def feature_table(store: Store, path: Path) -> int:
    """Write the features of the current analysis; returns the number of rows."""
    rows = feature_rows(store)
    write_table(path, rows)
    return len(rows)


def correlation_table(store: Store, path: Path) -> int:
    """Write the newest run of the correlations; returns the number of rows."""
    return write_correlations(store, run_of(store), path)


def check_table_name(path: Path) -> str:
    """Return the suffix of a table's file, in lower case.

    Raises
    ------
    UserInputError
        When it is none of .csv, .tsv and .parquet.
    """
    suffix = path.suffix.lower()
    if path.is_dir():
        raise UserInputError(f"{path.name} is a folder.", "Name a file in it.")
    if suffix not in (".csv", ".tsv", ".parquet"):
        raise UserInputError(
            f"Tables are not written as {suffix or 'a file without suffix'}.",
            "Name it .csv, .tsv or .parquet.",
        )
    return suffix


def check_can_write(path: Path) -> None:
    """Refuse a table's path at once, before work whose result it is to take.

    Raises
    ------
    UserInputError
        For another suffix, or a folder.
    CacheError
        When nothing can be written there.
    """
    check_table_name(path)
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path.parent):
            pass


def write_table(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Write rows as .csv, .tsv or .parquet, whole or not at all.

    Text that a spreadsheet would take for a formula gets a leading apostrophe in CSV and TSV.

    Raises
    ------
    UserInputError
        For another suffix.
    CacheError
        When the file cannot be written.
    """
    suffix = check_table_name(path)
    temporary = path.with_name(path.name + ".tmp")
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        if suffix == ".parquet":
            pq.write_table(pa.Table.from_pylist(list(rows)), temporary)
        else:
            text = io.StringIO()
            names = list(rows[0]) if rows else []
            writer = csv.DictWriter(text, names, delimiter="," if suffix == ".csv" else "\t")
            writer.writeheader()
            writer.writerows({key: _cell(value) for key, value in row.items()} for row in rows)
            temporary.write_text(text.getvalue(), encoding="utf-8", newline="")
        temporary.replace(path)


def _cell(value: Any) -> Any:
    if isinstance(value, str) and value.startswith(FORMULA_STARTS):
        return "'" + value
    return "" if value is None else value
