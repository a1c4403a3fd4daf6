"""What a user chooses for a study: values of its settings, checked against what the study knows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sae_backend.errors import UserInputError
from sae_backend.studies.framework.registry import study
from sae_backend.studies.framework.settings import check_settings


@dataclass(frozen=True)
class StudyOptions:
    """Choices of a run of a study.

    Attributes
    ----------
    kind
        Which study.
    settings
        Those that differ from the study's defaults.
    name
        What the run is called; empty for a number.
    device
        Where to compute.
    """

    kind: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    name: str = ""
    device: str = "auto"

    def __post_init__(self) -> None:
        known = study(self.kind).defaults
        unknown = [key for key in self.settings if key not in known]
        if unknown:
            raise UserInputError(
                f"The study {self.kind} has no setting {unknown[0]!r}.", f"It has {', '.join(known)}."
            )
        check_settings(self.settings)

    def spec(self) -> dict[str, Any]:
        """All settings, as JSON can hold them."""
        merged = {**study(self.kind).defaults, **self.settings}
        plain: dict[str, Any] = json.loads(json.dumps(merged))
        return plain
