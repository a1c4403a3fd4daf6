"""What follows from things that were dropped together: in which order, and what belongs to what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from desktop_app.project.drop.detected import DetectedFile, Kind

_ORDER: Final[tuple[Kind, ...]] = (
    "project", "slide", "autoencoder", "embeddings", "regions", "cells", "annotations", "unknown",
)  # fmt: skip
_ON_A_SLIDE: Final = ("cells", "regions")


@dataclass(frozen=True)
class Arrival:
    """One thing and what becomes of it.

    Attributes
    ----------
    item
        What it is.
    slide
        The slide that it belongs to; None where it belongs to none, or to the one that is open by then.
    problem
        Why nothing can be done with it, and the way out; empty where something can.
    follows
        What becomes of it, such as `for demo.tiff`; empty where that goes without saying.
    """

    item: DetectedFile
    slide: Path | None = None
    problem: str = ""
    follows: str = ""

    @property
    def words(self) -> str:
        """What it is and what becomes of it, or why nothing does."""
        if self.item.kind == "unknown":
            return self.problem
        return f"{self.item.words}{f', {self.follows}' if self.follows else ''}" + (
            f". {self.problem}" if self.problem else ""
        )


def plan(items: Sequence[DetectedFile], *, has_project: bool, open_slide: Path | None) -> tuple[Arrival, ...]:
    """Put what was dropped into the order in which it is taken, each with what it belongs to.

    Parameters
    ----------
    items
        What was recognised.
    has_project
        Whether a project is open.
    open_slide
        The slide that is open.
    """
    together = _Together(
        [item.path for item in items if item.kind == "project"],
        [item.path for item in items if item.kind == "slide"],
        has_project,
        open_slide,
    )
    planned: list[Arrival] = []
    for item in sorted(items, key=lambda item: _ORDER.index(item.kind)):
        is_only = sum(other.kind == item.kind for other in items) == 1
        arrival = _arrival(item, together, is_only=is_only)
        taken = {(other.item.kind, other.slide) for other in planned if not other.problem}
        if item.kind in _ON_A_SLIDE and not arrival.problem and (item.kind, arrival.slide) in taken:
            arrival = Arrival(item, problem="A slide takes one such file at a time: drop it alone.")
        planned.append(arrival)
    return tuple(planned)


@dataclass(frozen=True)
class _Together:
    """What lies around one thing: what was dropped with it, and what is open."""

    projects: list[Path]
    slides: list[Path]
    has_project: bool
    open_slide: Path | None

    def into_project(self, words: str) -> str:
        """Say what becomes of a thing that is kept in a project, and that one is asked for."""
        known = self.has_project or self.projects
        return words if known else f"{words}; asks for a project's folder"


def _arrival(item: DetectedFile, together: _Together, *, is_only: bool) -> Arrival:
    if item.kind == "unknown":
        return Arrival(item, problem=f"{item.words} {item.hint}".strip())
    if item.kind == "project":
        is_first = item.path == together.projects[0]
        return Arrival(item, problem="" if is_first else "One project is open at a time: drop it alone.")
    if item.kind in _ON_A_SLIDE:
        return _on_a_slide(item, together, is_only=is_only)
    if item.kind != "slide" or len(together.slides) > 1:
        return Arrival(item, follows=together.into_project("for the project"))
    return Arrival(item)


def _on_a_slide(item: DetectedFile, together: _Together, *, is_only: bool) -> Arrival:
    named = [slide for slide in together.slides if item.path.name.startswith(slide.stem)]
    if named:
        slide = max(named, key=lambda found: len(found.stem))
    elif len(together.slides) == 1 and is_only:
        slide = together.slides[0]
    elif together.slides:
        return Arrival(
            item, problem="Its name does not say to which of the slides it belongs: drop the two alone."
        )
    elif together.projects:
        return Arrival(item, follows="for the slide that opens with the project")
    elif together.open_slide is not None:
        slide = together.open_slide
    else:
        return Arrival(item, problem="It belongs to a slide: open that first, or drop both together.")
    return Arrival(item, slide, follows=together.into_project(f"for {slide.name}"))
