"""A study as a job: make what it needs and is not there, do it, write what it found."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from sae_backend.compute.jobs.embed import JobContext
from sae_backend.studies.framework.inputs import StudyInput
from sae_backend.studies.framework.registry import study
from sae_backend.studies.framework.result import Checkpoints
from sae_backend.studies.framework.run import run_study
from sae_backend.studies.framework.storage import open_input, write_result
from sae_backend.worker.requests import StudyRequest

Prepare = Callable[[StudyRequest, JobContext], list[dict[str, Any]]]
Equip = Callable[[StudyInput, StudyRequest, JobContext], StudyInput]


def run_study_job(request: StudyRequest, watch: JobContext) -> dict[str, Any]:
    """Do what the request asks; the result names its folder and describes the feature sets.

    Raises
    ------
    SparsescopeError
        With a sentence and a hint; `CancelledError` when cancelled: a second run goes on.
    """

    def step(stage: str, done: int, total: int) -> None:
        watch.check()
        watch.progress(stage, done, total)

    one = study(request.kind)
    sets = list(request.sets)
    if one.prepare:
        prepare: Prepare = import_module(one.prepare).prepare
        sets = prepare(request, watch)
    inputs = open_input(request, sets)
    if one.equip:
        equip: Equip = import_module(one.equip).equip
        inputs = equip(inputs, request, watch)
    folder = Path(request.work_dir)
    found = run_study(request.kind, inputs, request.spec, step, Checkpoints(folder / "steps"))
    write_result(folder, found)
    return {"work_dir": str(folder), "sets": sets}
