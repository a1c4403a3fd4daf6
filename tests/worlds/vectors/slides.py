"""A world of embeddings with known truth: planted sparse features, technical effects and cell counts.

It has no images. It is what the statistics and the sparse autoencoders are measured against.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from sae_backend.statistics.slide_parts import SlidePart
from tests.worlds.vectors.activations import Firing, draw_activations, grid_side, slide_gates
from tests.worlds.vectors.cells import CellType, Cellularity, DrawnCells, draw_cells, gain_matrix
from tests.worlds.vectors.encoder import (
    Directions,
    Nuisance,
    compose,
    draw_dictionary,
    draw_directions,
    draw_noise,
)
from tests.worlds.vectors.features import FeatureGroup, FeaturePlan, FeatureSpec, Hierarchy, plan_features
from tests.worlds.vectors.spec import FIVE_TYPES, NuisanceSpec, SlideSpec, VectorWorldSpec
from tests.worlds.vectors.streams import Branch, Purpose, Streams

__all__ = [
    "FIVE_TYPES",
    "CellType",
    "Cellularity",
    "FeatureGroup",
    "FeaturePlan",
    "FeatureSpec",
    "Hierarchy",
    "Nuisance",
    "NuisanceSpec",
    "SlideSpec",
    "SlideVectors",
    "VectorWorld",
    "VectorWorldSpec",
    "make_world",
]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class SlideVectors:
    """One slide of a world: N tiles.

    `vectors` are exactly `float32(activations @ dictionary + nuisance.total + noise)`.

    Attributes
    ----------
    name, patient, site, scanner, stain
        Name of the slide, numbers of patient, site and scanner, and its stain in standard deviations.
    rows, cols, tile_um
        Places on the grid, int32 (N,), and its step in um.
    vectors
        Embeddings, float32 (N, d).
    activations
        The truth, sparse float32 (N, F).
    cells
        Counts, and what was expected.
    nuisance, noise
        The other summands; noise is float32 (N, d).
    """

    name: str
    patient: int
    site: int
    scanner: int
    stain: float
    rows: npt.NDArray[np.int32]
    cols: npt.NDArray[np.int32]
    tile_um: float
    vectors: npt.NDArray[np.float32]
    activations: sparse.csr_array
    cells: DrawnCells
    nuisance: Nuisance
    noise: npt.NDArray[np.float32]

    @property
    def n_tiles(self) -> int:
        """Number of tiles, N."""
        return int(self.rows.size)

    def part(self, features: sparse.csc_array | None = None) -> SlidePart:
        """Give what `correlate` takes: these features (N, F), or the true activations."""
        return SlidePart(
            features=self.activations.tocsc() if features is None else features,
            counts=self.cells.counts,
            valid=np.ones(self.n_tiles, np.bool_),
            rows=self.rows,
            cols=self.cols,
            tile_um=self.tile_um,
            slide=self.name,
        )


@dataclass(frozen=True)
class VectorWorld:
    """Slides and what is true of them.

    Attributes
    ----------
    spec, plan
        What was asked for, and what follows for each feature.
    dictionary
        Directions of the features, float64 (F, d), rows of length 1.
    slides
        The slides in turn.
    """

    spec: VectorWorldSpec
    plan: FeaturePlan
    dictionary: Floats
    slides: tuple[SlideVectors, ...]

    @property
    def type_names(self) -> tuple[str, ...]:
        """Names of the cell types."""
        return tuple(kind.name for kind in self.spec.cell_types)

    @property
    def gains(self) -> Floats:
        """Cells more per unit of each activation, float64 (F, C); all 0 in a null world."""
        gains = gain_matrix(self.spec.cell_types, self.plan.n_features)
        return gains * (not self.spec.null)

    @property
    def roles(self) -> tuple[str, ...]:
        """Role of each feature: biology (drives counts), technical (of one scanner), entangled, other."""
        biology = (self.gains != 0).any(axis=1)
        if self.spec.cellularity and not self.spec.null:
            biology[[feature for feature, _ in self.spec.cellularity.drivers]] = True
        technical = self.plan.scanner >= 0
        words = np.array([["other", "technical"], ["biology", "entangled"]])
        return tuple(words[biology.astype(int), technical.astype(int)].tolist())

    def parts(self) -> list[SlidePart]:
        """Give the true activations and the counts of all slides, as `correlate` takes them."""
        return [slide.part() for slide in self.slides]

    def true_correlation(self) -> Floats:
        """Pearson correlation of the true activations with the counts over all tiles.

        float64 (F, C), NaN where a feature or a type is constant.
        """
        x = sparse.vstack([slide.activations for slide in self.slides]).astype(np.float64)
        y = np.concatenate([slide.cells.counts for slide in self.slides]).astype(np.float64)
        n = x.shape[0]
        x_mean, y_mean = x.sum(axis=0) / n, y.mean(axis=0)
        x_spread = np.sqrt(x.power(2).sum(axis=0) / n - x_mean**2)
        products = (x.T @ y) / n - np.outer(x_mean, y_mean)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(products / x_spread[:, None] / y.std(axis=0), np.float64)


def make_world(spec: VectorWorldSpec) -> VectorWorld:
    """Draw a world. Every slide has streams of its own, so its number alone decides it."""
    streams = Streams(spec.seed)
    plan = plan_features(spec.features, streams, spec.slides.n_scanners)
    dictionary = draw_dictionary(streams, spec.features.n_features, spec.width)
    directions = draw_directions(streams, spec.width, spec.slides.n_scanners)
    slides = tuple(
        _make_slide(spec, plan, dictionary, directions, number) for number in range(spec.slides.n_slides)
    )
    return VectorWorld(spec, plan, dictionary, slides)


def _make_slide(
    spec: VectorWorldSpec, plan: FeaturePlan, dictionary: Floats, directions: Directions, number: int
) -> SlideVectors:
    streams, slides = Streams(spec.seed), spec.slides
    patient = number // slides.slides_per_patient
    site = int(streams.of(Purpose.PATIENT, patient).integers(slides.n_sites))
    facts = streams.of(Purpose.FACTS, number)
    n_tiles = int(facts.integers(slides.tiles[0], slides.tiles[1] + 1))
    stain = float(facts.standard_normal())
    scanner = int(facts.integers(slides.n_scanners))
    if slides.site_decides_scanner:
        scanner = site % slides.n_scanners
    activations = draw_tissue(spec, plan, streams, (number, n_tiles, scanner))
    driving = activations
    if spec.null:
        other = streams.branch(Branch.OTHER_TISSUE)
        other_scanner = int(other.of(Purpose.FACTS, number).integers(slides.n_scanners))
        driving = draw_tissue(spec, plan, other, (number, n_tiles, other_scanner))
    intercept = streams.of(Purpose.INTERCEPT, number).standard_normal(spec.width)
    nuisance = directions.of_slide(spec.nuisance, scanner, stain, intercept)
    noise = draw_noise(streams, number, (n_tiles, spec.width), spec.nuisance.noise_sigma)
    rows, cols = np.divmod(np.arange(n_tiles, dtype=np.int32), np.int32(grid_side(n_tiles)))
    return SlideVectors(
        name=f"slide {number}",
        patient=patient,
        site=site,
        scanner=scanner,
        stain=stain,
        rows=rows,
        cols=cols,
        tile_um=slides.tile_um,
        vectors=compose(activations, dictionary, nuisance, noise),
        activations=activations,
        cells=draw_cells(spec.cell_types, spec.cellularity, driving, streams, number),
        nuisance=nuisance,
        noise=noise,
    )


def draw_tissue(
    spec: VectorWorldSpec, plan: FeaturePlan, streams: Streams, slide: tuple[int, int, int]
) -> sparse.csr_array:
    """Draw the activations, sparse float32 (N, F), of a slide given as (number, tiles, scanner)."""
    number, n_tiles, scanner = slide
    on = slide_gates(plan, scanner, streams.of(Purpose.GATES, number))
    firing = Firing(on, n_tiles, spec.slides.smoothness_tiles)
    return draw_activations(spec.features, plan, firing, streams.of(Purpose.FIRING, number))
