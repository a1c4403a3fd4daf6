"""Where the numbers of a run of the correlations come from: everything a reviewer may ask for."""

from __future__ import annotations

from typing import Any

import numpy as np

from desktop_app.store import AnalysisRecord, CorrelationRecord, Store
from sae_backend.activations.embeddings import Embeddings
from sae_backend.errors import UserInputError


def run_of(store: Store, wanted: str = "") -> CorrelationRecord:
    """Give a run by number or name; the newest of the current SAE where nothing is said.

    Raises
    ------
    UserInputError
        When there is no such run, or nothing has been correlated.
    """
    runs = store.correlations.all()
    if wanted:
        for run in reversed(runs):
            if wanted in (str(run.id), run.name):
                return run
        names = ", ".join(f"{run.id} ({run.name})" for run in runs) or "none"
        raise UserInputError(f"There is no run called {wanted!r}.", f"There are: {names}.")
    current = store.analyses.current()
    newest = None
    if current is not None and current.sae_digest is not None:
        newest = store.correlations.latest(current.sae_digest)
    if newest is None:
        raise UserInputError(
            "Nothing has been correlated yet.",
            "Correlate first: in the window's Analysis menu, or with sparsescope correlate.",
        )
    return newest


def analyses_of(store: Store, run: CorrelationRecord) -> list[AnalysisRecord]:
    """Analyses that took part, in the order of the run's slides."""
    known = {analysis.id: analysis for analysis in store.analyses.all()}
    return [known[number] for number in run.analysis_ids if number in known]


def best_features(store: Store, run: CorrelationRecord) -> list[int]:
    """The strongest feature of each type, by the discovery half where there is one; no number twice."""
    statistic = run.meta["statistics"][0]
    wanted = f"{statistic}/choose" if run.meta.get("held_out") else f"{statistic}/value"
    values = np.abs(store.correlations.arrays(run.id, [wanted])[wanted])
    best = [int(np.nanargmax(column)) for column in values.T if np.isfinite(column).any()]
    return list(dict.fromkeys(best))


def provenance(store: Store, run: CorrelationRecord) -> dict[str, Any]:
    """Plain JSON: run, method, halves, digests of slides, encoder, SAE and cells, versions, licences.

    Slides are named by their file; nothing of a slide table (patients, sites) is in it.
    """
    analyses = analyses_of(store, run)
    first = analyses[0] if analyses else None
    meta = run.meta
    cells = {entry.get("fingerprint", ""): entry for entry in meta.get("slides", [])}
    slides = []
    for analysis in analyses:
        slide = store.slides.get(analysis.slide_id)
        used = cells.get(slide.fingerprint, {})
        slides.append(
            {
                "slide": slide.name,
                "slide_fingerprint": slide.fingerprint,
                "mpp": slide.mpp,
                "mpp_source": slide.mpp_source,
                "embedding_sha": analysis.embedding_digest,
                "cells_sha256": used.get("cells_sha256", ""),
                "cells_tool": used.get("cells_tool", ""),
                "n_cells_in_tiles": used.get("n_cells_in_tiles"),
                "n_cells_elsewhere": used.get("n_cells_elsewhere"),
            }
        )
    return {
        "run": run.name,
        "run_id": run.id,
        "date": run.created_at,
        "method": meta["method"],
        "unit": meta["unit"],
        "n_tiles": meta["n_tiles"],
        "n_slides": meta["n_slides"],
        "n_clusters": meta["n_clusters"],
        "held_out": bool(meta.get("held_out")),
        "halves": halves_text(meta.get("split")),
        "covariates": ", ".join(meta.get("covariates", [])),
        "interval": meta.get("interval", ""),
        "split": meta.get("split"),
        "notes": list(meta["notes"]),
        "spec": run.spec,
        "encoder": "" if first is None else first.encoder,
        "encoder_digest": "" if first is None else first.encoder_digest,
        "encoder_is_control": None if first is None else first.is_control,
        "encoder_licence": _licence(store, first),
        "layer": None if first is None else first.layer,
        "pooling": "" if first is None else first.pooling,
        "tile_spec": {} if first is None else first.tile_spec,
        "sae_sha": run.sae_digest,
        "slides": slides,
        "versions": meta.get("versions", {}),
    }


def halves_text(split: dict[str, Any] | None) -> str:
    """Who chose and who reports, in a few words; empty where nothing was held out."""
    if not split:
        return ""
    return f"{split['unit']}: {split['n_choose']} choose, {split['n_report']} report, seed {split['seed']}"


def _licence(store: Store, analysis: AnalysisRecord | None) -> str:
    """Licence of the encoder as its card says; where the embeddings are gone, that it is not known."""
    if analysis is None:
        return "not known"
    folder = store.cache_dir / analysis.embedding_folder
    if not folder.is_dir():
        return "not known (the embeddings were deleted)"
    return Embeddings.open(folder).card.licence or "not stated by the encoder's card; ask its authors"
