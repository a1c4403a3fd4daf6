"""The table of features, with what it was made from."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np

from desktop_app.export.tables import check_table_name, columns_of, write_table
from desktop_app.project.analysis_jobs import features_of, require_current
from desktop_app.project.studies.scores import study_scores
from desktop_app.store import AnnotationRecord, CorrelationRow, Store

SUFFIXES: Final = (".csv", ".tsv", ".parquet")


def best_correlates(store: Store, sae_digest: str) -> dict[int, CorrelationRow]:
    """For each feature the row (Pearson) with the largest absolute value in the newest correlation."""
    newest = store.correlations.latest(sae_digest)
    best: dict[int, CorrelationRow] = {}
    for row in [] if newest is None else store.correlations.rows(newest.id):
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
    notes = {note.feature: note for note in store.annotations.all(features.sae_digest)}
    best = best_correlates(store, features.sae_digest)
    slide = store.slides.get(analysis.slide_id)
    n_valid = int(features.valid.sum())
    scores = study_scores(store, features.sae_digest, features.n_features)
    rows = []
    for feature in range(features.n_features):
        note = notes.get(feature, AnnotationRecord(features.sae_digest, feature))
        match = best.get(feature)
        n_firing = int(stats.n_firing[feature])
        rows.append(
            {
                "feature": feature,
                **note.cells(),
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
    check_table_name(path, SUFFIXES)
    return write_table(path, columns_of(feature_rows(store)))
