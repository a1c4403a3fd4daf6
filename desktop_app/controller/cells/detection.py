"""Nuclei found and typed by the program itself: asked for, done by the worker, kept as imports of cells."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from desktop_app.project.cells.detection_jobs import (
    detect_request,
    record_detection,
    record_proposals,
    tissue_mm2,
    type_request,
)
from desktop_app.project.cells.proposed_types import ModelScores
from desktop_app.project.cells.text import counts_text, summary_of, summary_text
from desktop_app.store import CellImportRecord, Store
from desktop_app.tasks import LatestTask

if TYPE_CHECKING:
    from desktop_app.controller.cells.cells import CellActions
    from desktop_app.controller.context import Context
    from desktop_app.controller.jobs import JobActions
    from desktop_app.controller.project.projects import ProjectActions
    from sae_backend.cells.nuclei.segmentation import DetectSpec
    from sae_backend.worker.requests import TypeNucleiRequest


class DetectionActions:
    """Submits the jobs; what they bring is read and stored beside the window."""

    def __init__(
        self, context: Context, projects: ProjectActions, jobs: JobActions, cells: CellActions
    ) -> None:
        self._context, self._projects, self._jobs, self._cells = context, projects, jobs, cells
        menus = context.menus
        menus.requested("detect").connect(self.ask_detect)
        menus.requested("train_types").connect(self.train)
        self._prepare, self._keep = LatestTask(), LatestTask()
        self._prepare.answered.connect(self._submit_typing)
        self._keep.answered.connect(self._kept)
        for read in (self._prepare, self._keep):
            read.failed.connect(context.show_error)

    def close(self) -> None:
        """End what may be under way."""
        self._prepare.close()
        self._keep.close()

    def ask_detect(self) -> None:
        """Ask how to look for the nuclei of the open slide, and begin."""
        slide = self._projects.measured_slide()
        if slide is None:
            return
        spec = self._context.dialogs.detect_options(slide.info.path.name)
        if spec is not None:
            self.detect(spec)

    def detect(self, spec: DetectSpec) -> None:
        """Find the nuclei of the open slide; a run that was stopped goes on where it was."""
        session = self._context.session
        store, record = session.store, session.slide_record
        if store is None or record is None:
            return
        slide_id = record.id

        def keep(result: dict[str, Any]) -> None:
            self._context.say("Saving the nuclei …")
            self._keep.ask(partial(_keep_detection, store.folder, store.author, slide_id, result))

        self._jobs.submit(
            store, f"Detect nuclei of {record.name}", detect_request(store, slide_id, spec), keep
        )

    def train(self) -> None:
        """Learn types from the nuclei that were typed by hand, and ask whether the proposals are wanted."""
        store, record = self._context.session.store, self._cells.record
        if store is None or record is None:
            self._context.say("Training needs detected nuclei, some of them labelled: Cells > Detect nuclei.")
            return
        # Refused at once where nuclei are missing; the rest takes a moment.
        self._prepare.ask(partial(_prepare_typing, store.folder, record))

    def _submit_typing(self, found: tuple[CellImportRecord, TypeNucleiRequest]) -> None:
        record, request = found
        store = self._context.session.store
        if store is None:
            return

        def keep(result: dict[str, Any]) -> None:
            if self._context.dialogs.accept_types(ModelScores.from_json(result["scores"])):
                self._context.say("Saving the predicted types …")
                self._keep.ask(partial(_keep_proposals, store.folder, store.author, record, result))
            else:
                self._context.say("The proposed types were not accepted; the cells are unchanged.")

        name = store.slides.get(record.slide_id).name
        self._jobs.submit(store, f"Train the nucleus classifier on {name}", request, keep)

    def _kept(self, found: tuple[Path, CellImportRecord, str]) -> None:
        folder, record, words = found
        store = self._context.session.store
        if store is None or store.folder != folder:
            self._context.say("The project was closed meanwhile; the cells are in it.")
            return
        self._context.menus.action("cells").setChecked(True)
        self._cells.tell_changed(record.slide_id)
        self._context.say(words)


def _keep_detection(
    folder: Path, author: str, slide_id: int, result: dict[str, Any]
) -> tuple[Path, CellImportRecord, str]:
    with Store(folder, author) as store:
        record = record_detection(store, slide_id, result)
        summary = summary_text(summary_of(store.cells.imported(record.id), tissue_mm2(record)))
    # The first note says the number again.
    words = " ".join([summary, *record.notes[1:], "Label some of them with Cells > Label nuclei."])
    return folder, record, words.replace("mm2", "mm²").replace("um2", "µm²")


def _prepare_typing(folder: Path, record: CellImportRecord) -> tuple[CellImportRecord, TypeNucleiRequest]:
    with Store(folder) as store:
        return record, type_request(store, record)


def _keep_proposals(
    folder: Path, author: str, record: CellImportRecord, result: dict[str, Any]
) -> tuple[Path, CellImportRecord, str]:
    with Store(folder, author) as store:
        kept = record_proposals(store, record, result)
    return folder, kept, f"Types were proposed for {kept.n_cells:,} nuclei: {counts_text(kept.type_counts)}."
