"""Do a study: from what it is given to its result. Only the worker and library users come here."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib import import_module
from typing import Any, Protocol

from sae_backend.studies.framework.inputs import StudyInput
from sae_backend.studies.framework.registry import study
from sae_backend.studies.framework.result import Checkpoints, Progress, StudyResult


class Run(Protocol):
    """What the module of every study has under the name `run`."""

    def __call__(
        self, inputs: StudyInput, spec: Mapping[str, Any], progress: Progress, checkpoints: Checkpoints
    ) -> StudyResult:
        """Do the study."""


def run_study(
    kind: str,
    inputs: StudyInput,
    spec: Mapping[str, Any],
    progress: Progress,
    checkpoints: Checkpoints | None = None,
) -> StudyResult:
    """Do a study.

    Parameters
    ----------
    kind
        Name of the study.
    inputs
        Slides and feature sets.
    spec
        Settings; what is not said has the study's default.
    progress
        Takes (stage, done, total) and may raise to cancel.
    checkpoints
        Where finished parts are kept, None for nowhere.

    Raises
    ------
    UserInputError
        When there is no such study, or what it is given is not enough.
    """
    one = study(kind)
    settings = {**one.defaults, **spec}
    run: Run = import_module(f"{one.package}.study").run
    found = run(inputs, settings, progress, checkpoints or Checkpoints())
    # Here and not when the project keeps it: what cannot be kept would have cost its hours for nothing.
    json.dumps(found.meta, allow_nan=False)
    return found
