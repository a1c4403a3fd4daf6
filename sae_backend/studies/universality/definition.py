"""What the study of universality is: its settings, what it needs, and what it gives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from sae_backend.errors import UserInputError
from sae_backend.statistics.number_text import count_text
from sae_backend.studies.framework.settings import (
    MIN_ACTIVE,
    N_NULL,
    SEED,
    Setting,
    interval_draws,
    random_dictionaries,
)
from sae_backend.studies.framework.study import AnalysedSet, Analysis, FeatureScore, RowKeys, Spec, Study


def _named_sets(
    _current: AnalysedSet[Analysis], others: Sequence[AnalysedSet[Analysis]], spec: Spec
) -> list[AnalysedSet[Analysis]]:
    """Those that the user named.

    Raises
    ------
    UserInputError
        When a name is none of them, or of several.
    """
    return [_named(others, wanted) for wanted in spec.get("with_sets") or ()]


def _named(others: Sequence[AnalysedSet[Analysis]], wanted: str) -> AnalysedSet[Analysis]:
    found = [one for one in others if one.model["sae_digest"].startswith(wanted) or one.title == wanted]
    if len(found) != 1:
        names = ", ".join(f"{one.model['sae_digest'][:8]} ({one.title})" for one in others) or "none"
        raise UserInputError(
            f"{'No' if not found else 'More than one'} other autoencoder of the current tiles is {wanted!r}.",
            f"There are: {names}.",
        )
    return found[0]


def _scores(meta: Mapping[str, Any], _spec: Spec, run: str) -> list[FeatureScore]:
    over = len(meta.get("stability_over") or ())
    saes = f"{count_text(over, 'other SAE')} ({run})"
    return [
        FeatureScore("stability", "Stability", f"Mean held-out r with its match in {saes}"),
        FeatureScore("found_in", "Found again", f"Share of {saes} in which it has a match beyond chance"),
    ]


STUDY: Final = Study(
    kind="universality",
    package="sae_backend.studies.universality",
    title="Universality",
    question="Which features come back in another SAE, and which are private to this one?",
    needs="Analysed slides; trains SAEs with other seeds, and a reference on the same tiles where this one was trained on "
    "others, or takes two SAEs of the project.",
    settings=(
        Setting(
            key="seeds", title="SAEs with other seeds", kind="whole", default=2, high=100,
            help="how many SAEs with other seeds to train", tip="Each is trained once and kept.",
        ),
        Setting(
            key="expansions", title="SAEs of other widths", kind="numbers", default=(), low=1, metavar="4,16",
            help="also train SAEs of these widths", tip="Such as 4, 16; empty for none.", empty="none",
        ),
        Setting(
            key="with_sets", title="Also compare with", kind="saes", default=(), metavar="SAE,...",
            help="also compare with these SAEs of the project (beginning of the digest)",
            tip="Other SAEs of this project on the same tiles.",
        ),
        SEED,
        MIN_ACTIVE,
        N_NULL,
        random_dictionaries(39),
        interval_draws("n_boot", 1000),
    ),
    format=3,
    other_sets=_named_sets,
    trains=lambda spec: bool(spec["seeds"] or spec["expansions"]),
    prepare="sae_backend.compute.studies.prepare_universality",
    row_keys={"stability": RowKeys(("feature",), 0), "pairs-": RowKeys(("feature",), 0)},
    scores=_scores,
)  # fmt: skip
