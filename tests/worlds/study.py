"""Worlds of vectors as what a study is given."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sae_backend.statistics.split import draw_halves
from sae_backend.studies.framework.inputs import FeatureSet, StudyInput, StudySlide
from tests.worlds.vectors.slides import SlideVectors, VectorWorld

PROGRESS = lambda *_: None  # noqa: E731


def study_slide(slide: SlideVectors, **facts: str) -> StudySlide:
    """A slide of a world with patient, site and scanner on record."""
    return StudySlide(
        name=slide.name,
        patient=f"P{slide.patient:03d}",
        facts={"site": f"site {slide.site}", "scanner": f"scanner {slide.scanner}", **facts},
        rows=slide.rows,
        cols=slide.cols,
        tile_um=slide.tile_um,
        counts=slide.cells.counts.astype(np.float64),
    )


def true_set(slides: Sequence[SlideVectors], dictionary, title="truth", **model) -> FeatureSet:
    """The planted features themselves, as an autoencoder without error would see them."""
    return FeatureSet(
        title=title,
        features=[slide.activations.tocsc() for slide in slides],
        valid=[np.ones(slide.n_tiles, np.bool_) for slide in slides],
        vectors=[slide.vectors for slide in slides],
        decoder=np.asarray(dictionary, np.float32),
        offset=np.zeros(dictionary.shape[1], np.float32),
        model={"sae_digest": title, "sae_dir": "", **model},
    )


def study_input(world: VectorWorld, sets: Sequence[FeatureSet] | None = None, seed: int = 0) -> StudyInput:
    """A world with its true features, or with these sets, halves drawn by patient."""
    slides = [study_slide(slide) for slide in world.slides]
    inputs = StudyInput(
        slides=slides,
        sets=sets or [true_set(world.slides, world.dictionary)],
        type_names=world.type_names,
    )
    return StudyInput(slides, inputs.sets, inputs.type_names, draw_halves(inputs.parts(), seed))
