"""Which autoencoders a study looks at, and what each of them has made of the project's slides."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from desktop_app.project.analysis_jobs import require_current, weights_key
from desktop_app.store import AnalysisRecord, Store
from sae_backend.studies.framework.registry import study
from sae_backend.studies.framework.study import AnalysedSet

StudySet = AnalysedSet[AnalysisRecord]


def study_sets(store: Store, kind: str, spec: Mapping[str, Any]) -> list[StudySet]:
    """The current autoencoder, and those that the study sets beside it.

    Raises
    ------
    UserInputError
        When there is no analysis with features, or a chosen autoencoder is not there.
    """
    known = known_sets(store)
    current = next(one for one in known if one.model["sae_digest"] == require_current(store).sae_digest)
    others = [one for one in known if one is not current]
    return [current, *study(kind).other_sets(current, others, spec)]


def known_sets(store: Store) -> list[StudySet]:
    """Every autoencoder with features on the current tiles, the one used longest ago first.

    Raises
    ------
    UserInputError
        When there is no analysis with features.
    """
    current = require_current(store)
    found: dict[str, dict[int, AnalysisRecord]] = {}
    for record in sorted(store.analyses.all(), key=lambda record: record.id):
        if record.tile_spec == current.tile_spec and record.feature_folder is not None:
            digest = str(record.sae_digest)
            # Newly used ones go to the end.
            found[digest] = {**found.pop(digest, {}), record.slide_id: record}
    titles = _titles({digest: next(iter(records.values())) for digest, records in found.items()})
    return [
        StudySet(titles[digest], _model(store, digest, next(iter(records.values()))), records)
        for digest, records in found.items()
    ]


def _model(store: Store, digest: str, analysis: AnalysisRecord) -> dict[str, Any]:
    sae = store.saes.get(digest)
    card = {} if sae is None else sae.card
    return {
        "sae_digest": digest,
        "sae_dir": str(sae.folder) if sae is not None and Path(sae.folder).is_dir() else "",
        "encoder": analysis.encoder,
        "encoder_digest": analysis.encoder_digest,
        "layer": analysis.layer,
        "pooling": analysis.pooling,
        "is_control": analysis.is_control,
        "weights": store.settings.get(weights_key(analysis.encoder_digest)),
        "training": card.get("training", {}),
        "metrics": card.get("metrics", {}),
    }


def _titles(firsts: Mapping[str, AnalysisRecord]) -> dict[str, str]:
    """Encoder and block of each, with the beginning of the digest where two are alike."""
    plain = {digest: f"{one.encoder}, block {one.layer}" for digest, one in firsts.items()}
    doubled = {title for title in plain.values() if list(plain.values()).count(title) > 1}
    return {
        digest: f"{title} (SAE {digest[:6]})" if title in doubled else title
        for digest, title in plain.items()
    }
