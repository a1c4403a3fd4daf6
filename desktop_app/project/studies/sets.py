"""Which autoencoders a study looks at, and what each of them has made of the project's slides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from desktop_app.project.analysis_jobs import require_current, weights_key
from desktop_app.store import AnalysisRecord, Store
from sae_backend.errors import UserInputError

_SEVERAL: Final = "encoders"
_CHOSEN: Final = "universality"
_WITH_CONTROL: Final = "robustness"
_WITH_JUDGE: Final = "depth"


@dataclass(frozen=True)
class StudySet:
    """One autoencoder, and its newest analysis of each slide on the current tiles.

    Attributes
    ----------
    title
        What it is called in figures.
    model
        As a `FeatureSet` has it.
    analyses
        By number of the slide.
    """

    title: str
    model: dict[str, Any]
    analyses: Mapping[int, AnalysisRecord]


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
    if kind == _SEVERAL:
        return [current, *_encoders(current, others, spec.get("encoders"))]
    if kind == _CHOSEN:
        return [current, *(_named(others, wanted) for wanted in spec.get("with_sets") or ())]
    if kind == _WITH_JUDGE:
        return [current, *_judge(current, others)]
    if kind == _WITH_CONTROL:
        # It stands beside the others only where nothing is lost by it.
        same = [
            one for one in others if one.model["is_control"] and set(current.analyses) <= set(one.analyses)
        ]
        return [current, *same[-1:]]
    return [current]


def _judge(current: StudySet, others: Sequence[StudySet]) -> list[StudySet]:
    """The newest set of another encoder that saw every slide, a control only where there is nothing else."""
    able = [
        one
        for one in others
        if one.model["encoder_digest"] != current.model["encoder_digest"]
        and set(current.analyses) <= set(one.analyses)
    ]
    return sorted(able, key=lambda one: not one.model["is_control"])[-1:]


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


def _encoders(current: StudySet, others: Sequence[StudySet], wanted: Sequence[str] | None) -> list[StudySet]:
    """The newest autoencoder of every other encoder; with `wanted` those of the encoders named, and the controls."""
    newest = {
        one.model["encoder_digest"]: one
        for one in others
        if one.model["encoder_digest"] != current.model["encoder_digest"]
    }
    found = list(newest.values())
    if wanted is not None:
        missing = [name for name in wanted if name not in {one.model["encoder"] for one in [current, *found]}]
        if missing:
            raise UserInputError(
                f"No slide was analysed with {missing[0]}.",
                "Analyse the slides with it first, on the same tiles.",
            )
        found = [one for one in found if one.model["encoder"] in wanted or one.model["is_control"]]
    if not found:
        raise UserInputError(
            "The slides were analysed with one encoder only.",
            "Analyse them with another too, on the same tiles: control:random-vit is always at hand.",
        )
    return found


def _named(others: Sequence[StudySet], wanted: str) -> StudySet:
    found = [one for one in others if one.model["sae_digest"].startswith(wanted) or one.title == wanted]
    if len(found) != 1:
        names = ", ".join(f"{one.model['sae_digest'][:8]} ({one.title})" for one in others) or "none"
        raise UserInputError(
            f"{'No' if not found else 'More than one'} other autoencoder of the current tiles is {wanted!r}.",
            f"There are: {names}.",
        )
    return found[0]
