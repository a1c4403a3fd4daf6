"""What was dropped on the window: recognised, told, and taken one after the other."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QTimer

from desktop_app.project import analysis_jobs as jobs
from desktop_app.project.drop.detect import recognise_all
from desktop_app.project.drop.detected import DetectedFile, Kind
from desktop_app.project.drop.plan import Arrival, plan
from desktop_app.project.embedding_import import record_embeddings, take_embeddings
from desktop_app.tasks import LatestTask
from desktop_app.widgets.shell.drop_area import DropLine
from sae_backend.activations.embeddings import Embeddings
from sae_backend.models.cards import SaeCard
from sae_backend.models.sae_weights import read_own_sae

if TYPE_CHECKING:
    from desktop_app.controller.annotations.merge import MergeActions
    from desktop_app.controller.cells.importing import CellImportActions
    from desktop_app.controller.context import Context
    from desktop_app.controller.jobs import JobActions
    from desktop_app.controller.project.projects import ProjectActions
    from desktop_app.controller.regions.files import RegionFileActions
    from desktop_app.store import Store
    from desktop_app.widgets.shell.drop_area import DropArea


@dataclass(frozen=True)
class DropTargets:
    """Where things that arrive are taken in."""

    projects: ProjectActions
    jobs: JobActions
    cells: CellImportActions
    regions: RegionFileActions
    merge: MergeActions


class DropActions:
    """Says what is dragged over the window, and takes what is dropped."""

    def __init__(self, context: Context, drops: DropArea, doors: DropTargets) -> None:
        self._context, self._doors = context, doors
        self._drops = drops
        self._wanted: tuple[Path, ...] = ()
        self._found: tuple[DetectedFile, ...] | None = None
        self._is_dropped = False
        self._queue: deque[Arrival] = deque()
        self._slides: list[Path] = []
        self._said: list[str] = []
        self._has_problem = self._waits = False
        self._look, self._check = LatestTask(), LatestTask()
        self._look.answered.connect(self._recognised)
        self._check.answered.connect(self._checked)
        self._check.failed.connect(self._refused)
        self._keep: Callable[[object], str] = str
        doors.cells.read_ended.connect(self._cells_ended)
        drops.entered.connect(self._entered)
        drops.left.connect(self._look.forget)
        drops.dropped.connect(self._dropped)

    def close(self) -> None:
        """End what may be under way."""
        self._queue.clear()
        self._look.close()
        self._check.close()

    # Recognising

    def _entered(self, paths: list[Path]) -> None:
        self._wanted, self._found, self._is_dropped = tuple(paths), None, False
        wanted = self._wanted
        self._look.ask(lambda: (wanted, recognise_all(wanted)))

    def _dropped(self, paths: list[Path]) -> None:
        if self._found is None or self._wanted != tuple(paths):
            self._entered(paths)
        self._is_dropped = True
        found = self._found
        if found is not None:
            # After the drop itself: what is asked now must not hold up the program it came from.
            QTimer.singleShot(0, lambda: self.take(found))

    def _recognised(self, answer: tuple[tuple[Path, ...], tuple[DetectedFile, ...]]) -> None:
        wanted, found = answer
        if wanted != self._wanted:
            return
        self._found = found
        if self._is_dropped:
            self.take(found)
        else:
            lines = [DropLine(a.item.path.name, a.words, not a.problem) for a in self._plan(found)]
            self._drops.overlay.show_lines(lines)

    def _plan(self, found: tuple[DetectedFile, ...]) -> tuple[Arrival, ...]:
        session = self._context.session
        return plan(
            found,
            has_project=session.store is not None,
            open_slide=session.slide.info.path if session.slide is not None else None,
        )

    # Taking

    def take(self, found: tuple[DetectedFile, ...]) -> None:
        """Say what was recognised, then do what it leads to, one thing after the other."""
        arrivals = self._plan(found)
        self._queue = deque(arrivals)
        self._slides = [a.item.path for a in arrivals if a.item.kind == "slide"]
        self._said, self._has_problem, self._waits = [], False, False
        known = [f"{a.item.path.name}: {a.words}" for a in arrivals if not a.problem]
        if known:
            self._context.say(f"Recognised {'; '.join(known)}.")
        self._go_on()

    def _go_on(self) -> None:
        while self._queue:
            arrival = self._queue.popleft()
            if arrival.problem:
                self._has_problem = True
                alone = arrival.item.kind == "unknown"
                self._said.append(
                    arrival.problem if alone else f"{arrival.item.path.name}: {arrival.problem}"
                )
                continue
            if self._TAKERS[arrival.item.kind](self, arrival):
                self._waits = True
                return
            self._note()
        text = " ".join(self._said)
        # One sentence alone stands there already, in the colour that it was said in.
        if text and text != self._context.notice.text:
            self._context.say(text, error=self._has_problem)

    def _note(self) -> None:
        """Keep what the step that has ended said above the slide: the next one says something else."""
        notice = self._context.notice
        if notice.text and notice.text not in self._said and not notice.text.startswith("Recognised "):
            self._said.append(notice.text)

    def _ended(self) -> None:
        if self._waits:
            self._waits = False
            self._note()
            self._go_on()

    def _take_project(self, arrival: Arrival) -> bool:
        self._has_problem |= not self._doors.projects.open_project(arrival.item.path)
        return False

    def _take_slide(self, arrival: Arrival) -> bool:
        slides, self._slides = self._slides, []
        if not slides or (len(slides) > 1 and not self._doors.projects.ensure_project("Several slides")):
            self._context.say("Several slides need a project: make one, then drop them again.")
            self._queue = deque(other for other in self._queue if other.item.kind != "slide")
            return False
        self._queue = deque(other for other in self._queue if other.item.kind != "slide")
        store = self._context.session.store
        problems = []
        for path in slides[1:] if store is not None else ():
            assert store is not None
            if not self._context.succeeds(partial(jobs.add_slide, store, path)):
                problems.append(self._context.notice.text)
        self._doors.projects.open_slide(arrival.item.path)
        shown = self._context.session.slide
        self._has_problem |= bool(problems) or shown is None or shown.info.path != arrival.item.path
        self._said += problems
        return False

    def _take_autoencoder(self, arrival: Arrival) -> bool:
        path = arrival.item.path
        store = self._project("Autoencoders", path)
        if store is None:
            return False

        def keep(card: object) -> str:
            assert isinstance(card, SaeCard)
            record = store.saes.add(card.digest, path, card.to_json())
            text = f"The autoencoder of {card.n_features:,} features for {card.encoder_id} is in the project."
            session = self._context.session
            shown, features = session.analysis, session.features
            if features is not None and features.sae_digest == card.digest:
                return f"{text} Its features are shown already."
            if shown is not None and self._doors.jobs.encode(store, shown, sae=record):
                return f"{text} Its features for this slide are being computed."
            return f"{text} It will be used when a slide is analysed with that encoder and tile size."

        return self._ask(lambda: read_own_sae(path), keep)

    def _take_embeddings(self, arrival: Arrival) -> bool:
        path = arrival.item.path
        store = self._project("Embeddings", path)
        if store is None:
            return False
        slides = {slide.fingerprint: slide for slide in store.slides.all()}

        def keep(embeddings: object) -> str:
            assert isinstance(embeddings, Embeddings)
            analysis = record_embeddings(store, embeddings)
            n, slide = analysis.counts.get("ok", 0), store.slides.get(analysis.slide_id)
            text = f"Embeddings of {n:,} tiles of {slide.name} by {analysis.encoder} are in the project."
            if self._doors.jobs.encode(store, analysis):
                return f"{text} Their features are being computed."
            self._doors.jobs.show_new(store, analysis)
            return f"{text} Next: Analysis > Train a sparse autoencoder."

        return self._ask(lambda: take_embeddings(path, store.cache_dir, slides), keep)

    def _take_cells(self, arrival: Arrival) -> bool:
        store = self._project("Cells", arrival.item.path)
        if store is None:
            return False
        record = (
            self._context.session.slide_record
            if arrival.slide is None
            else store.slides.by_path(arrival.slide)
        )
        if record is None:
            self._has_problem = True
            self._context.say(
                f"{arrival.item.path.name} was not imported: its slide is not open. Open it, then drop the file again.",
                error=True,
            )
            return False
        return self._doors.cells.import_cells(arrival.item.path, record)

    def _take_annotations(self, arrival: Arrival) -> bool:
        if self._project("Annotations", arrival.item.path) is not None:
            self._doors.merge.import_file(arrival.item.path)
        return False

    def _take_regions(self, arrival: Arrival) -> bool:
        store = self._project("Regions", arrival.item.path)
        if store is None:
            return False
        shown = self._context.session.slide_record
        wanted = shown if arrival.slide is None else store.slides.by_path(arrival.slide)
        if wanted is not None and (shown is None or wanted.id != shown.id):
            self._doors.projects.open_record(wanted.id)
        self._doors.regions.import_file(arrival.item.path)
        return False

    _TAKERS: dict[Kind, Callable[[DropActions, Arrival], bool]] = {  # noqa: RUF012
        "project": _take_project,
        "slide": _take_slide,
        "autoencoder": _take_autoencoder,
        "embeddings": _take_embeddings,
        "regions": _take_regions,
        "cells": _take_cells,
        "annotations": _take_annotations,
    }

    def _project(self, what: str, path: Path) -> Store | None:
        """The open project, or a new one that the user chooses a folder for."""
        if not self._doors.projects.ensure_project(what):
            self._has_problem = True
            self._context.say(
                f"{path.name} was left: it belongs in a project. Create one with File > New project, then drop it again.",
                error=True,
            )
            return None
        return self._context.session.store

    def _ask(self, read: Callable[[], object], keep: Callable[[object], str]) -> bool:
        self._keep = keep
        self._check.ask(read)
        return True

    def _checked(self, answer: object) -> None:
        text = self._context.attempt(lambda: self._keep(answer))
        if text is not None:
            self._context.say(text)
        else:
            self._has_problem = True
        self._ended()

    def _refused(self, error: object) -> None:
        self._has_problem = True
        self._context.show_error(error)  # type: ignore[arg-type]
        self._ended()

    def _cells_ended(self, error: object) -> None:
        self._has_problem = self._has_problem or error is not None
        self._ended()
