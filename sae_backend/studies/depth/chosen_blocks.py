"""Which blocks of an encoder are looked at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from sae_backend.errors import UserInputError

_DEFAULT_BLOCKS: Final = 6


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
