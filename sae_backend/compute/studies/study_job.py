"""A study as a job: make what it needs and is not there, do it, write what it found."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from sae_backend.compute.jobs.embed import Watch
from sae_backend.studies.framework.inputs import StudyInput
from sae_backend.studies.framework.result import Steps
from sae_backend.studies.framework.run import run_study
from sae_backend.studies.framework.storage import open_input, write_result
from sae_backend.worker.requests import StudyRequest

Prepare = Callable[[StudyRequest, Watch], list[dict[str, Any]]]
Equip = Callable[[StudyInput, StudyRequest, Watch], StudyInput]

_PREPARED_BY: Final[Mapping[str, str]] = {
    "depth": "layer_sets",
    "domain": "domain_sets",
    "universality": "seed_sets",
}
"""Modules beside this one whose `prepare` embeds and trains what a study looks at."""

_EQUIPPED_BY: Final[Mapping[str, str]] = {"robustness": "reencode"}
"""Modules beside this one whose `equip` lets a study ask the encoder."""


def run_study_job(request: StudyRequest, watch: Watch) -> dict[str, Any]:
    """Do what the request asks; the result names its folder and describes the feature sets.

    Raises
    ------
    SparsescopeError
        With a sentence and a hint; `CancelledError` when cancelled: a second run goes on.
    """

    def step(stage: str, done: int, total: int) -> None:
        watch.check()
        watch.progress(stage, done, total)

    sets = list(request.sets)
    if request.kind in _PREPARED_BY:
        prepare: Prepare = _beside(_PREPARED_BY[request.kind]).prepare
        sets = prepare(request, watch)
    given = open_input(request, sets)
    if request.kind in _EQUIPPED_BY:
        equip: Equip = _beside(_EQUIPPED_BY[request.kind]).equip
        given = equip(given, request, watch)
    folder = Path(request.work_dir)
    found = run_study(request.kind, given, request.spec, step, Steps(folder / "steps"))
    write_result(folder, found)
    return {"work_dir": str(folder), "sets": sets}


def _beside(name: str) -> Any:
    return import_module(f"sae_backend.compute.studies.{name}")
