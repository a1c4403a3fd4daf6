"""The card of a saved sparse autoencoder, read and checked without torch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from sae_backend.errors import UserInputError, WeightsError
from sae_backend.models.cards import SaeCard
from sae_backend.models.sae_weights import SaeArrays

_CONFIG: Final = "cfg.json"
_HINT: Final = "Point to a folder that Sparsescope saved, or SAELens 6 with our card in its metadata."
_DUE: Final[dict[str, tuple[object, ...]]] = {
    "apply_b_dec_to_input": (True,),
    "reshape_activations": ("none", None),
}


def read_sae_folder(folder: Path) -> SaeCard:
    """Check a folder with an autoencoder and return its card with the digest of its files.

    Raises
    ------
    WeightsError
        When it is no autoencoder that the program encodes with, its weights and its configuration do not
        fit each other, or it does not say to which encoder and tiles it belongs.
    """
    arrays = SaeArrays.open(folder)
    config: dict[str, Any] = json.loads((folder / _CONFIG).read_bytes())
    for key, allowed in _DUE.items():
        if config.get(key) not in allowed:
            raise WeightsError(
                f"The SAE in {folder.name} has {key} {config.get(key)!r}, and only {allowed[0]!r} is read.",
                _HINT,
            )
    if (config.get("d_in"), config.get("d_sae")) != (arrays.d_in, arrays.n_features):
        raise WeightsError(
            f"The SAE in {folder.name} has weights of {arrays.n_features} features of width {arrays.d_in}, and "
            f"its {_CONFIG} says {config.get('d_sae')} and {config.get('d_in')}.",
            "The weights and their configuration belong to different SAEs.",
        )
    metadata = config.get("metadata")
    card = metadata.get("pathology") if isinstance(metadata, dict) else None
    if not isinstance(card, dict) or not card.get("encoder_digest"):
        raise WeightsError(
            f"The SAE in {folder.name} does not say which encoder it belongs to.",
            "Name it where the slide is analysed: sparsescope analyze --sae, or train one here.",
        )
    known = {"digest": arrays.digest, "d_in": arrays.d_in, "n_features": arrays.n_features}
    try:
        return SaeCard.from_json({**card, **known})
    except (UserInputError, TypeError, ValueError) as error:
        raise WeightsError(f"The SAE card in {folder.name} is damaged: {error}", _HINT) from error
