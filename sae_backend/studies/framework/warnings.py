"""A warning where an autoencoder explains too little for its features to stand for the encoder."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

LEAST_EXPLAINED: Final = 0.5
"""Below half of the variance most of what the encoder sees is not in the features."""


def explained_note(explained: Mapping[str, float]) -> list[str]:
    """One sentence for what explains less than `LEAST_EXPLAINED` of the variance, none for NaN.

    Parameters
    ----------
    explained
        Share of the variance of the embeddings by the name of what was asked, such as a block or a cohort.
    """
    poor = {name: share for name, share in explained.items() if share < LEAST_EXPLAINED}
    if not poor:
        return []
    said = ", ".join(f"{name}: {share:.2f}" for name, share in poor.items())
    return [
        f"The SAE explains less than half of the variance ({said}), so that its features miss most of what the encoder "
        "sees; train it longer before anything here is believed."
    ]
