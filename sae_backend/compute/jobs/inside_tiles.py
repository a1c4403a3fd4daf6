"""One feature inside a tile: its activation at every patch token, or what covering a part takes away."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
import numpy.typing as npt

from sae_backend.activations.feature_matrix import FeatureMatrix
from sae_backend.compute.jobs.embed import JobContext, read_batches, read_tiles
from sae_backend.compute.jobs.live_model import LiveModel
from sae_backend.errors import MismatchError, SlideError, UserInputError
from sae_backend.slides.slide import Slide, TileStatus
from sae_backend.worker.requests import MAX_INSIDE_TILES

_DRIFT_SHARE: Final = 0.02
_STAGE: Final = "look inside tiles"

TOKEN_NOTE: Final = (
    "The autoencoder learned from whole tiles and is applied to single tokens here; a token has also seen the rest "
    "of its tile. Values are on another scale than the tiles': their mean is never below the tile's value."
)
OCCLUSION_NOTE: Final = (
    "Each square was covered in turn with the tile's mean colour; the value is how much the feature's activation "
    "of the whole tile falls. Squares that do not lower it have no colour. A cover has edges that tissue has not."
)


@dataclass(frozen=True)
class Question:
    """One feature on one analysed slide."""

    slide: Slide
    features: FeatureMatrix
    feature: int

    def stored(self, tiles: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        """Activations (n,) of tiles as the analysis has them."""
        column = np.zeros(self.features.n_tiles, np.float32)
        where, values = self.features.column(self.feature)
        column[where] = values
        return column[tiles]

    def check_drift(self, drift: float) -> float:
        """Return `drift`, or raise `MismatchError` where it is more than the devices' rounding explains."""
        values = self.features.column(self.feature)[1]
        peak = float(values.max()) if values.size else 0.0
        if drift > _DRIFT_SHARE * peak + 1e-3:
            raise MismatchError(
                f"Feature {self.feature} comes out {drift:.3g} away from what the analysis holds.",
                "The file or the program may have changed since; analyse the slide again.",
            )
        return drift


@dataclass(frozen=True)
class TokenMaps:
    """Activations float32 (n, h, w) of one feature at the tokens of n tiles; NaN where a tile cannot be read.

    `drift` is the largest difference between a tile's activation and the analysis, None where no tile
    could be read.
    """

    tiles: tuple[int, ...]
    values: npt.NDArray[np.float32]
    drift: float | None
    note: str = TOKEN_NOTE


@dataclass(frozen=True)
class OcclusionMap:
    """Fall of one feature's activation, float32 (k, k), when each of k x k squares of a tile is covered.

    `unoccluded` is the activation of the whole tile, `stored` that of the analysis, `drift` their
    difference; `colour` is what the squares were covered with (red, green, blue, 0 to 255).
    """

    tile: int
    values: npt.NDArray[np.float32]
    unoccluded: float
    stored: float
    drift: float
    colour: tuple[int, int, int]
    note: str = OCCLUSION_NOTE


def token_map(
    model: LiveModel, question: Question, tiles: Sequence[int], watch: JobContext | None = None
) -> TokenMaps:
    """One feature's activation at every patch token of some tiles.

    Parameters
    ----------
    model
        Encoder and SAE of the analysis.
    question
        Slide, analysis and feature.
    tiles
        Tiles of the analysis's grid, at most 64.
    watch
        Told of progress, and asked between batches whether to go on.

    Raises
    ------
    UserInputError
        When there are no such tiles or too many, or the tiles' vectors come from the CLS token.
    MismatchError
        When the tiles' activations are not those of the analysis.
    CancelledError
    """
    watch = watch or JobContext()
    if model.encoder.card.pooling != "mean":
        raise UserInputError(
            "The vectors of these tiles come from the CLS token, which no part of a tile has.",
            "Ask for an occlusion map of one tile.",
        )
    wanted = _checked(question, tiles)
    grid, side = question.features.grid, model.tokens_per_side
    found: dict[int, npt.NDArray[np.float32]] = {}
    for tile in wanted.tolist():
        kept = model.kept_tokens((grid.digest, tile))
        if kept is not None:
            found[tile] = kept
    missing = np.array([tile for tile in wanted.tolist() if tile not in found], np.int64)
    watch.progress(_STAGE, len(found), len(wanted))
    parts = (missing[start : start + model.batch] for start in range(0, missing.size, model.batch))
    for item in read_batches(question.slide, grid, parts, model.batch):
        watch.check()
        tokens = model.encoder.tokens(item.pixels[: item.status.size], model.device)
        if tokens.shape[1] != side * side:
            raise UserInputError(
                f"{model.encoder.card.id} does not cut a tile into a square of tokens.",
                "Look at the map of whole tiles.",
            )
        for tile, status, own in zip(item.tiles.tolist(), item.status, tokens, strict=True):
            if status == TileStatus.OK:
                found[tile] = own.copy()  # not a view, which would hold its whole batch
                model.keep_tokens((grid.digest, tile), found[tile])
        watch.progress(_STAGE, min(len(found), len(wanted)), len(wanted))
    values = np.full((wanted.size, side, side), np.nan, np.float32)
    whole = np.full(wanted.size, np.nan)
    for place, tile in enumerate(wanted.tolist()):
        if tile in found:
            values[place] = model.activation(found[tile], question.feature).reshape(side, side)
            mean = found[tile].mean(axis=0, dtype=np.float64).astype(np.float32)
            whole[place] = model.activation(mean, question.feature)
    drift = None
    if found:
        drift = question.check_drift(float(np.nanmax(np.abs(whole - question.stored(wanted)))))
    watch.progress(_STAGE, len(wanted), len(wanted))
    return TokenMaps(tuple(wanted.tolist()), values, drift)


def occlusion_map(
    model: LiveModel, question: Question, tile: int, squares: int = 7, watch: JobContext | None = None
) -> OcclusionMap:
    """How much one feature's activation of a tile falls when a square of it is covered.

    Parameters
    ----------
    model
        Encoder and SAE of the analysis.
    question
        Slide, analysis and feature.
    tile
        A tile of the analysis's grid.
    squares
        Squares along each edge; no more than the encoder has tokens there.
    watch
        Told of progress, and asked between batches whether to go on.

    Raises
    ------
    UserInputError
        When there is no such tile or no square.
    SlideError
        When the tile cannot be read.
    MismatchError
        When the tile's activation is not that of the analysis.
    CancelledError
    """
    watch = watch or JobContext()
    wanted = _checked(question, [tile])
    if squares < 1:
        raise UserInputError(
            f"A tile cannot be cut into {squares} squares.", "Use 1 or more along each edge."
        )
    read = read_tiles(question.slide, question.features.grid, wanted, 1)
    if read.status[0] != TileStatus.OK:
        raise SlideError(
            f"Tile {tile} cannot be read.", "Look at another tile; the file may be damaged here."
        )
    pixels = read.pixels[0]
    edge = min(squares, model.tokens_per_side, pixels.shape[0])
    colour = np.rint(pixels.mean(axis=(0, 1))).astype(np.uint8)
    n_variants = edge * edge + 1
    activations: list[npt.NDArray[np.float32]] = []
    done = 0
    for batch in _batched(_variants(pixels, edge, colour), model.batch):
        watch.check()
        activations.append(model.activation(model.encoder.encode(batch, model.device), question.feature))
        done += len(batch)
        watch.progress(_STAGE, done, n_variants)
    whole, *covered = np.concatenate(activations).tolist()
    stored = float(question.stored(wanted)[0])
    return OcclusionMap(
        tile=tile,
        values=(whole - np.array(covered)).reshape(edge, edge).astype(np.float32),
        unoccluded=whole,
        stored=stored,
        drift=question.check_drift(abs(whole - stored)),
        colour=(int(colour[0]), int(colour[1]), int(colour[2])),
    )


def _checked(question: Question, tiles: Sequence[int]) -> npt.NDArray[np.int64]:
    features = question.features
    features.column(question.feature)  # says where there is no such feature
    wanted = np.asarray(tiles, np.int64)
    if not 1 <= wanted.size <= MAX_INSIDE_TILES:
        raise UserInputError(
            f"{wanted.size} tiles cannot be looked into at once.", f"Ask for 1 to {MAX_INSIDE_TILES} tiles."
        )
    if wanted.min() < 0 or wanted.max() >= features.n_tiles or not features.valid[wanted].all():
        raise UserInputError(
            "A tile that was asked for has no vector in this analysis.",
            f"This slide has tiles 0 to {features.n_tiles - 1}; those that could not be read have none.",
        )
    return wanted


def _variants(
    pixels: npt.NDArray[np.uint8], edge: int, colour: npt.NDArray[np.uint8]
) -> Iterator[npt.NDArray[np.uint8]]:
    """The tile as it is, then with each square covered, row by row."""
    yield pixels
    ends = np.rint(np.linspace(0, pixels.shape[0], edge + 1)).astype(int)
    for top, bottom in pairwise(ends):
        for left, right in pairwise(ends):
            covered = pixels.copy()
            covered[top:bottom, left:right] = colour
            yield covered


def _batched(images: Iterator[npt.NDArray[np.uint8]], size: int) -> Iterator[npt.NDArray[np.uint8]]:
    held: list[npt.NDArray[np.uint8]] = []
    for image in images:
        held.append(image)
        if len(held) == size:
            yield np.stack(held)
            held = []
    if held:
        yield np.stack(held)
