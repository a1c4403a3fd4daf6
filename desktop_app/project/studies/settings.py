"""What a user chooses for a study: values of its settings, checked against what the study knows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sae_backend.studies.framework.registry import study
from sae_backend.studies.framework.settings import SEED, Setting
from sae_backend.studies.framework.study import Study


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
        self.study.check(self.settings)

    @property
    def study(self) -> Study:
        """What the study says of itself."""
        return study(self.kind)

    def spec(self) -> dict[str, Any]:
        """All settings, as JSON can hold them."""
        merged = {**self.study.defaults, **self.settings}
        plain: dict[str, Any] = json.loads(json.dumps(merged))
        return plain


def form_settings(one: Study) -> list[Setting]:
    """Settings in the order of a form: the seed after all that is not folded away, and that at the end."""
    return sorted(one.settings, key=lambda setting: (setting.is_more, setting.key == SEED.key))


def parse_setting(setting: Setting, text: str) -> Any:
    """What a text in a field of whole numbers means; None where it is empty.

    Raises
    ------
    ValueError
        When it is no number.
    """
    text = text.strip()
    if setting.kind == "numbers":
        return [int(part) for part in text.replace(";", ",").split(",") if part.strip()] or None
    return int(text) if text else None
