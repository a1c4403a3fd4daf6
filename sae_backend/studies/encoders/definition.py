"""What the study of two encoders is: its settings, what it needs, and what it gives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from sae_backend.errors import UserInputError
from sae_backend.studies.framework.settings import SEED, Setting, interval_draws, permutations
from sae_backend.studies.framework.study import AnalysedSet, Analysis, RowKeys, Spec, Study


def _of_other_encoders(
    current: AnalysedSet[Analysis], others: Sequence[AnalysedSet[Analysis]], spec: Spec
) -> list[AnalysedSet[Analysis]]:
    """The newest of every other encoder; where encoders are chosen those of them, and the controls.

    Raises
    ------
    UserInputError
        When there is none, or a chosen encoder saw no slide.
    """
    wanted = spec.get("encoders")
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


STUDY: Final = Study(
    kind="encoders",
    package="sae_backend.studies.encoders",
    title="Two encoders",
    question="Does a pathology encoder give features that a natural-image encoder or random weights do not?",
    needs="The same slides analysed with two encoders and the control, each with its SAE, and cells.",
    settings=(
        Setting(
            key="encoders", title="Encoders", kind="encoders", metavar="ID,...", empty="none marked: all",
            help="encoders to compare (default: all that saw the slides)",
            tip="The current one, and these; none marked for all.",
        ),
        SEED,
        interval_draws("n_bootstrap", 2000),
        permutations(999),
    ),
    format=2,
    needs_cells=True,
    least_encoders=2,
    other_sets=_of_other_encoders,
    row_keys={
        "sets": RowKeys(("set",)),
        "types": RowKeys(("set", "cell type")),
        "differences": RowKeys(("first", "second", "cell type")),
        "features-": RowKeys(("feature",), is_set_in_key=True),
    },
)  # fmt: skip
