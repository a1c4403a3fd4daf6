"""What the study of depth is: its settings, what it needs, and what it gives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from sae_backend.errors import UserInputError
from sae_backend.models.cards import EncoderCard
from sae_backend.studies.framework.settings import (
    EPOCHS,
    SEED,
    Setting,
    group_column,
    interval_draws,
    label_shuffles,
    most_tiles,
    permutations,
    random_dictionaries,
)
from sae_backend.studies.framework.study import AnalysedSet, Analysis, RowKeys, Spec, Study

_DEFAULT_BLOCKS: Final = 6


def _judge(
    current: AnalysedSet[Analysis], others: Sequence[AnalysedSet[Analysis]], _spec: Spec
) -> list[AnalysedSet[Analysis]]:
    """The newest set of another encoder that saw every slide, a control only where there is nothing else."""
    able = [
        one
        for one in others
        if one.model["encoder_digest"] != current.model["encoder_digest"] and one.covers(current)
    ]
    return sorted(able, key=lambda one: not one.model["is_control"])[-1:]


def _check_encoder(spec: Spec, card: EncoderCard) -> None:
    """Refuse blocks, and a feature to follow, that there will not be.

    Raises
    ------
    UserInputError
    """
    if spec["layers"] is not None:
        chosen_blocks(spec["layers"], card.n_blocks)
    n_features = card.width * int(spec["expansion"])
    if spec["feature"] is not None and int(spec["feature"]) >= n_features:
        raise UserInputError(
            f"The SAE of the last block will have no feature {spec['feature']}.",
            f"Choose one from 0 to {n_features - 1}, or none: the study then follows the best for the first cell type.",
        )


def chosen_blocks(wanted: Sequence[int] | None, n_blocks: int) -> list[int]:
    """Blocks to look at, ascending: those wanted, or about six at even steps with the first and the last.

    Raises
    ------
    UserInputError
        When a block does not exist, or fewer than two are wanted.
    """
    if wanted is None:
        steps = np.linspace(1, n_blocks, min(n_blocks, _DEFAULT_BLOCKS))
        return np.unique(steps.round().astype(int)).tolist()
    blocks = sorted({int(block) for block in wanted})
    missing = [block for block in blocks if not 1 <= block <= n_blocks]
    hint = (
        f"It has the blocks 1 to {n_blocks}: name two or more of them, or none for about six at even steps."
    )
    if missing:
        words = f"block{'s' * (len(missing) > 1)} {', '.join(map(str, missing))}"
        raise UserInputError(f"The encoder has no {words}.", hint)
    if len(blocks) < 2:
        raise UserInputError("Depth is looked at in two or more blocks of the encoder.", hint)
    return blocks


STUDY: Final = Study(
    kind="depth",
    package="sae_backend.studies.depth",
    title="Depth",
    question="At which depth of the encoder do features follow cells best, and does the scanner fade on the way?",
    needs="Slides of several patients with cells, and the encoder's weights; embeds the chosen blocks in one pass and "
    "trains an SAE on each.",
    settings=(
        Setting(
            key="layers", title="Blocks", kind="numbers", low=1, metavar="1,4,8", empty="about six",
            help="blocks of the encoder (default: about six, evenly spread)",
            tip="Such as 1, 4, 8, 12; empty for about six, evenly spread.",
        ),
        SEED,
        Setting(
            key="expansion", title="Width of the SAE", kind="whole", default=8, low=1, high=256,
            help="features for each dimension of the vectors", tip="Features for each dimension of the vectors.",
        ),
        EPOCHS,
        group_column("Scanner or site", "scanner"),
        Setting(
            key="feature", title="Follow feature", kind="whole", empty="the best one",
            help="feature of the last block to follow (default: the one that follows the first cell type best)",
            tip="Empty for the one that follows the first cell type best.",
        ),
        interval_draws("n_bootstrap", 2000),
        permutations(999),
        label_shuffles(199),
        random_dictionaries(19),
        most_tiles(1500),
    ),
    format=4,
    needs_cells=True,
    other_sets=_judge,
    check_encoder=_check_encoder,
    has_own_saes=True,
    prepare="sae_backend.compute.studies.prepare_depth",
    row_keys={
        "blocks": RowKeys(("block",)),
        "types": RowKeys(("block", "cell type")),
        "slopes": RowKeys(("r of",)),
        "followed": RowKeys(("block",), 0),
    },
)  # fmt: skip
