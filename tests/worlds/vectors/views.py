"""The tiles of a world through another encoder, and through the layers of one."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
from scipy import sparse

from sae_backend.errors import UserInputError
from tests.worlds.vectors.encoder import (
    Directions,
    Nuisance,
    compose,
    draw_dictionary,
    draw_directions,
    draw_noise,
)
from tests.worlds.vectors.features import FeatureSpec, plan_features
from tests.worlds.vectors.slides import SlideVectors, VectorWorld, draw_tissue
from tests.worlds.vectors.spec import NuisanceSpec
from tests.worlds.vectors.streams import Branch, Purpose, Streams

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class SecondEncoderSpec:
    """Another encoder of the same tiles.

    Attributes
    ----------
    width
        Dimensions of its embedding.
    n_shared
        Features that it has in common with the first encoder, in other directions.
    private
        Features that only it has. Those without a share are private to the first.
    nuisance
        Its technical effects, in directions of its own.
    number
        Tells encoders of one world apart; each has streams of its own.
    """

    width: int
    n_shared: int
    private: FeatureSpec
    nuisance: NuisanceSpec = field(default_factory=NuisanceSpec)
    number: int = 0


@dataclass(frozen=True)
class EncoderView:
    """A world's tiles through another encoder.

    Attributes
    ----------
    shared
        Features of the first encoder (k,) int64, ascending, that are features 0 to k - 1 here; the
        others are private to this one.
    dictionary
        Directions, float64 (k + m, d), rows of length 1.
    slides
        The same tiles and cells with the vectors and activations (N, k + m) of this encoder.
    """

    shared: Ints
    dictionary: Floats
    slides: tuple[SlideVectors, ...]


def second_encoder(world: VectorWorld, spec: SecondEncoderSpec) -> EncoderView:
    """Show the tiles of `world` to another encoder. Slide k depends only on its number, as in the world.

    Raises
    ------
    UserInputError
        If more features are to be shared than there are.
    """
    if not 0 <= spec.n_shared <= world.plan.n_features:
        raise UserInputError(
            f"{spec.n_shared} features cannot be shared: the world has {world.plan.n_features}.",
            "Ask for fewer.",
        )
    streams = Streams(world.spec.seed).branch(Branch.SECOND_ENCODER, spec.number)
    n_scanners = world.spec.slides.n_scanners
    chosen = streams.of(Purpose.PLAN, 1).permutation(world.plan.n_features)[: spec.n_shared]
    shared = np.sort(chosen).astype(np.int64)
    own = replace(world.spec, width=spec.width, features=spec.private, cell_types=(), cellularity=None)
    plan = plan_features(spec.private, streams, n_scanners)
    dictionary = draw_dictionary(streams, spec.n_shared + plan.n_features, spec.width)
    directions = draw_directions(streams, spec.width, n_scanners)
    slides = []
    for number, slide in enumerate(world.slides):
        private = draw_tissue(own, plan, streams, (number, slide.n_tiles, slide.scanner))
        activations = sparse.csr_array(sparse.hstack([slide.activations[:, shared], private], format="csr"))
        nuisance = _nuisance(streams, directions, spec.nuisance, (number, slide))
        noise = draw_noise(streams, number, (slide.n_tiles, spec.width), spec.nuisance.noise_sigma)
        slides.append(_seen(slide, activations, dictionary, nuisance, noise))
    return EncoderView(shared, dictionary, tuple(slides))


def _nuisance(
    streams: Streams, directions: Directions, weights: NuisanceSpec, slide: tuple[int, SlideVectors]
) -> Nuisance:
    number, facts = slide
    intercept = streams.of(Purpose.INTERCEPT, number).standard_normal(directions.stain.size)
    return directions.of_slide(weights, facts.scanner, facts.stain, intercept)


def _seen(
    slide: SlideVectors,
    activations: sparse.csr_array,
    dictionary: Floats,
    nuisance: Nuisance,
    noise: npt.NDArray[np.float32],
) -> SlideVectors:
    vectors = compose(activations, dictionary, nuisance, noise)
    return replace(slide, vectors=vectors, activations=activations, nuisance=nuisance, noise=noise)


@dataclass(frozen=True)
class DepthSchedule:
    """How much biology and how much scanner each layer of an encoder holds, linear from first to last.

    Both are standard deviations of the whole embedding: the root of the variance, summed over all
    dimensions, that the features or the scanners (drawn evenly) give it.

    Attributes
    ----------
    n_layers
        Layers, numbered from 1.
    biology, scanner
        Standard deviation in the first and in the last layer.
    """

    n_layers: int = 12
    biology: tuple[float, float] = (0.2, 1.2)
    scanner: tuple[float, float] = (1.2, 0.2)

    @property
    def biology_weights(self) -> Floats:
        """Standard deviation due to the features in each layer, float64 (n_layers,)."""
        return np.linspace(*self.biology, self.n_layers)

    @property
    def scanner_weights(self) -> Floats:
        """Standard deviation due to the scanners in each layer, float64 (n_layers,)."""
        return np.linspace(*self.scanner, self.n_layers)

    @property
    def crossing(self) -> int | None:
        """First layer, from 1, with at least as much biology as scanner; None without one."""
        layers = np.flatnonzero(self.biology_weights >= self.scanner_weights)
        return int(layers[0]) + 1 if layers.size else None


def layer_view(world: VectorWorld, schedule: DepthSchedule, layer: int) -> VectorWorld:
    """Show the tiles of `world` as a layer of an encoder does.

    Directions, tiles and cells stay. Activations are scaled, so that the vectors are still the sum of
    their parts, and each layer has noise of its own.

    Parameters
    ----------
    world
        As `make_world` gave it, with at least two scanners.
    schedule
        What each layer holds.
    layer
        Its number, from 1.

    Raises
    ------
    UserInputError
        If there is no such layer, or only one scanner.
    """
    if not 1 <= layer <= schedule.n_layers:
        raise UserInputError(f"There is no layer {layer}.", f"Layers are 1 to {schedule.n_layers}.")
    if world.spec.slides.n_scanners < 2:
        raise UserInputError("A world with one scanner has no scanner effect.", "Use two scanners or more.")
    spread = np.sqrt(world.plan.variances(world.spec.features).sum())
    factor = np.float32(schedule.biology_weights[layer - 1] / spread)
    weights = replace(world.spec.nuisance, scanner_weight=float(schedule.scanner_weights[layer - 1]))
    base = Streams(world.spec.seed)
    directions = draw_directions(base, world.spec.width, world.spec.slides.n_scanners)
    own = base.branch(Branch.LAYER, layer)
    slides = []
    for number, slide in enumerate(world.slides):
        noise = draw_noise(own, number, (slide.n_tiles, world.spec.width), weights.noise_sigma)
        nuisance = _nuisance(base, directions, weights, (number, slide))
        slides.append(_seen(slide, slide.activations * factor, world.dictionary, nuisance, noise))
    return replace(world, slides=tuple(slides))
