"""What the settings of the studies may be: checked before any work begins."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from sae_backend.errors import UserInputError

_BOUNDS: Final[Mapping[str, tuple[float, float]]] = {
    "seed": (0, 2**63),
    "expansion": (1, 256),
    "epochs": (1, 1_000_000),
    "seeds": (0, 100),
    "stress_tiles": (0, 1_000_000),
    "neighbours": (1, 1000),
    "n_bootstrap": (20, 1_000_000),
    "n_boot": (20, 1_000_000),
    "n_permutations": (19, 1_000_000),
    "n_resamples": (0, 10_000),
    "most_tiles": (10, 10_000_000),
    "min_active": (1, 10**9),
    "least_r": (0.0, 1.0),
    "share": (0.0, 1.0),
    "same_cosine": (0.0, 1.0),
}
"""Least and largest value."""

_CHANCES: Final[Mapping[str, str]] = {
    "n_null": "exchanges",
    "n_random": "random dictionaries",
    "n_shuffles": "exchanges of the labels",
}
_LEAST_CHANCES: Final = 19
"""With fewer draws no p can be 0.05."""

_CHOICES: Final[Mapping[str, tuple[str, ...]]] = {
    "plane": ("umap", "pca"),
    "measure": ("mean", "rate", "top"),
}


def check_settings(spec: Mapping[str, Any]) -> None:
    """Refuse settings that make no sense.

    Raises
    ------
    UserInputError
        Naming the first of them and what it may be.
    """
    for key, value in spec.items():
        name = key.replace("_", " ")
        if value is None or isinstance(value, bool):
            continue
        if key in _CHOICES and value not in _CHOICES[key]:
            raise UserInputError(
                f"The setting {name} cannot be {value!r}.", f"Use {' or '.join(_CHOICES[key])}."
            )
        if key in _BOUNDS:
            low, high = _BOUNDS[key]
            if not low <= value <= high:
                raise UserInputError(f"The setting {name} cannot be {value:g}.", f"Use {low:g} to {high:g}.")
        if key in _CHANCES and not (value == 0 or value >= _LEAST_CHANCES):
            raise UserInputError(
                f"With {value} {_CHANCES[key]} nothing could be beyond chance at 5 %.",
                f"Use {_LEAST_CHANCES} or more, or 0 to leave that chance out.",
            )
        if key in ("layers", "expansions") and any(number < 1 for number in value):
            raise UserInputError(
                f"The setting {name} takes numbers from 1 on.", "Leave it away for the default."
            )
