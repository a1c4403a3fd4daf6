"""How far a slide has come: six steps from the file to correlations, and what to do next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal, get_args

from sae_backend.cache import MANIFEST

if TYPE_CHECKING:
    from desktop_app.store import AnalysisRecord, SlideRecord, Store
    from sae_backend.activations.feature_matrix import FeatureMatrix
    from sae_backend.slides.slide import SlideInfo

StepName = Literal["slide", "pixel size", "embeddings", "autoencoder", "cells", "correlations"]
STEPS: Final[tuple[StepName, ...]] = get_args(StepName)
State = Literal["done", "next", "missing", "failed", "running"]
READY: Final = "Ready: all six steps are done"


@dataclass(frozen=True)
class Situation:
    """What is open, and what became of its jobs.

    Attributes
    ----------
    store, slide, slide_record, analysis, features
        As the session holds them.
    running
        What is under way, in words, by step.
    errors
        Why the last attempt of a step failed and the way out, in words, by step.
    encodes
        Whether an autoencoder is at hand that fits the embeddings, so that none need be trained.
    """

    store: Store | None = None
    slide: SlideInfo | None = None
    slide_record: SlideRecord | None = None
    analysis: AnalysisRecord | None = None
    features: FeatureMatrix | None = None
    running: Mapping[StepName, str] = field(default_factory=dict)
    errors: Mapping[StepName, str] = field(default_factory=dict)
    encodes: bool = False


@dataclass(frozen=True)
class Step:
    """One line of the checklist.

    Attributes
    ----------
    name
        Which step.
    state
        `next` for the first that can be taken, `missing` for those after it.
    fact
        What is there, with its numbers, or what is wanting.
    action
        Words of its button.
    needs
        What has to be there first; empty where the button can be pressed now.
    error
        Why the last attempt failed, and the way out.
    details
        The fact at length.
    """

    name: StepName
    state: State
    fact: str
    action: str
    needs: str = ""
    error: str = ""
    details: str = ""

    @property
    def title(self) -> str:
        """Its name with a capital."""
        return self.name.capitalize()


@dataclass(frozen=True)
class _Found:
    """What is known of one step; `fact` says what is there, or what is wanting."""

    done: bool
    fact: str
    details: str = ""


def checklist(now: Situation) -> tuple[Step, ...]:
    """Return the six steps in order; reads the project, computes nothing."""
    found: dict[StepName, _Found] = {
        "slide": _slide(now),
        "pixel size": _pixel_size(now),
        "embeddings": _embeddings(now),
        "autoencoder": _autoencoder(now),
        "cells": _cells(now),
        "correlations": _correlations(now),
    }
    done = {name for name, what in found.items() if what.done}
    steps: list[Step] = []
    has_next = False
    for name, what in found.items():
        needs = _needs(name, done)
        state: State = "done" if what.done else "missing"
        if name in now.running:
            state, has_next = "running", has_next or not what.done
        elif not what.done and now.errors.get(name):
            state, has_next = "failed", True
        elif not what.done and not needs and not has_next:
            state, has_next = "next", True
        fact = now.running.get(name) or (f"needs {needs}" if needs and not what.done else what.fact)
        steps.append(
            Step(name, state, fact, _action(name, now), needs, now.errors.get(name, ""), what.details)
        )
    return tuple(steps)


def is_ready(steps: tuple[Step, ...]) -> bool:
    """Whether every step is done and nothing is under way or went wrong."""
    return all(step.state == "done" and not step.error for step in steps)


def has_embeddings(store: Store, analysis: AnalysisRecord) -> bool:
    """Whether the vectors of an analysis are still in the project's cache."""
    return (store.cache_dir / analysis.embedding_folder / MANIFEST).is_file()


def _needs(name: StepName, done: set[StepName]) -> str:
    before: dict[StepName, tuple[tuple[StepName, str], ...]] = {
        "slide": (),
        "pixel size": (("slide", "a slide"),),
        "embeddings": (("slide", "a slide"), ("pixel size", "the pixel size")),
        "autoencoder": (("embeddings", "embeddings"),),
        "cells": (("slide", "a slide"),),
        "correlations": (("autoencoder", "features"), ("cells", "cells")),
    }
    return next((words for step, words in before[name] if step not in done), "")


def _action(name: StepName, now: Situation) -> str:
    if name == "slide":
        return "Open…" if now.slide is None else "Add…"
    if name == "autoencoder" and now.features is None and now.encodes:
        return "Encode"
    return {
        "pixel size": "State it…",
        "embeddings": "Analyse…",
        "autoencoder": "Train…",
        "cells": "Import…",
        "correlations": "Correlate",
    }[name]


def _slide(now: Situation) -> _Found:
    if now.slide is None:
        return _Found(False, "none is open")
    return _Found(True, now.slide.path.name, str(now.slide.path))


def _pixel_size(now: Situation) -> _Found:
    if now.slide is None or now.slide.mpp is None:
        return _Found(False, "not in the file")
    where = "stated by you" if now.slide.mpp_source == "user" else "from the file"
    return _Found(True, f"{now.slide.mpp:.4g} µm/px {where}")


def _embeddings(now: Situation) -> _Found:
    analysis = now.analysis
    if analysis is None or now.store is None:
        return _Found(False, "not analysed yet")
    if now.features is None and not has_embeddings(now.store, analysis):
        return _Found(False, "deleted", "They were deleted from the project's cache; analyse again.")
    spec = analysis.tile_spec
    control = " (random-weights control)" if analysis.is_control else ""
    left_out = sum(n for status, n in analysis.counts.items() if status != "ok")
    details = (
        f"{analysis.encoder}{control}, block {analysis.layer}, {analysis.pooling}; tiles of {spec['tile_px']} px "
        f"at {spec['tile_mpp']:g} µm/px" + (f"; {left_out:,} tiles left out" if left_out else "")
    )
    return _Found(True, f"{analysis.counts.get('ok', 0):,} tiles, {analysis.encoder}", details)


def _autoencoder(now: Situation) -> _Found:
    if now.features is None:
        return _Found(False, "one fits" if now.encodes else "none yet")
    return _Found(
        True, f"{now.features.n_features:,} features", f"Autoencoder {now.features.sae_digest[:12]}"
    )


def _cells(now: Situation) -> _Found:
    last = None
    if now.store is not None and now.slide_record is not None:
        last = now.store.cells.current(now.slide_record.id)
    if last is None:
        return _Found(False, "none yet")
    types = "1 type" if len(last.type_counts) == 1 else f"{len(last.type_counts)} types"
    kinds = ", ".join(f"{count:,} {name}" for name, count in last.type_counts.items())
    return _Found(True, f"{last.n_cells:,} cells of {types}", f"From {last.source_name}: {kinds}")


def _correlations(now: Situation) -> _Found:
    if now.store is None or now.features is None or now.slide_record is None or now.analysis is None:
        return _Found(False, "not measured yet")
    newest = now.store.correlations.latest(now.features.sae_digest)
    if newest is None:
        return _Found(False, "not measured yet")
    if now.analysis.id not in newest.analysis_ids:
        return _Found(False, "without this slide", "The newest correlations leave this slide out.")
    seen = newest.cells.get(now.slide_record.fingerprint)
    cells = now.store.cells.current(now.slide_record.id)
    # Runs of older versions do not say which cells they saw.
    later = cells is not None and seen is None and cells.imported_at > newest.created_at
    if later or (seen is not None and seen != now.store.cells.version(now.slide_record.id)):
        return _Found(False, "out of date", "The cells of this slide have changed since they were measured.")
    meta = newest.meta
    slides = "1 slide" if meta["n_slides"] == 1 else f"{meta['n_slides']:,} slides"
    units = slides if meta["unit"] == "slide" else f"{meta['n_clusters']:,} units ({meta['unit']})"
    return _Found(True, units, f"{meta['n_tiles']:,} tiles of {slides}. {meta['method']}")
