"""Which studies there are. Free of what is slow to load."""

from __future__ import annotations

from importlib import import_module

from sae_backend.errors import UserInputError
from sae_backend.studies.framework.study import Study

PACKAGES: tuple[str, ...] = (
    "sae_backend.studies.depth",
    "sae_backend.studies.robustness",
    "sae_backend.studies.domain",
    "sae_backend.studies.encoders",
    "sae_backend.studies.universality",
    "sae_backend.studies.geometry",
    "sae_backend.studies.slides",
)
"""A line for each study: its package, whose module `definition` has it under the name `STUDY`."""


def studies() -> tuple[Study, ...]:
    """Give all studies, in the order in which they are offered."""
    return tuple(import_module(f"{package}.definition").STUDY for package in PACKAGES)


def study(kind: str) -> Study:
    """Give the study of that name.

    Raises
    ------
    UserInputError
        When there is none.
    """
    found = next((one for one in studies() if one.kind == kind), None)
    if found is None:
        names = ", ".join(one.kind for one in studies())
        raise UserInputError(f"There is no study {kind!r}.", f"Choose one of {names}.")
    return found
