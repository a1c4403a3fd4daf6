"""What changes of the pixels do to features: tiles are encoded again with other stain, focus, compression and gamma."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy import ndimage, sparse, stats
from skimage.color import rgb2hed, rgb_from_hed

from sae_backend.errors import MismatchError, SlideError, UserInputError, WeightsError
from sae_backend.studies.framework.inputs import Change, Pixels, StudyInput
from sae_backend.studies.framework.result import Arrays, Checkpoints, Progress

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_BATCH: Final = 16
_DARKEST: Final = 1e-6
"""Below this share of light scikit-image sees none; its optical densities are in this unit."""

_NOT_AT_HAND: Final = (SlideError, MismatchError, WeightsError, UserInputError)
"""What says that slide, encoder or autoencoder cannot be used; the rest of the study does not depend on them."""

_LEVEL: Final = 0.95
MIN_SLIDES: Final = 5
_SPAN: Final = 512


@dataclass(frozen=True)
class Kind:
    """One kind of change: its name, its strengths from weak to strong, and what they are."""

    name: str
    strengths: tuple[float, ...]
    unit: str
    change: Callable[[Pixels, float], Pixels]


def stain(pixels: Pixels, factor: float, dye: int) -> Pixels:
    """Multiply the amount of a dye: 0 haematoxylin, 1 eosin.

    Amounts are those of Ruifrok and Johnston's (2001) deconvolution as scikit-image has it; what it does not explain
    of a pixel stays, so that the factor 1 changes nothing.
    """
    amount = rgb2hed(pixels)[..., dye, None]
    light = np.maximum(pixels / 255.0, _DARKEST)
    changed = light * np.exp(np.log(_DARKEST) * (factor - 1) * amount * rgb_from_hed[dye])
    return np.rint(np.clip(changed, 0, 1) * 255).astype(np.uint8)


def blur(pixels: Pixels, sigma_px: float) -> Pixels:
    """Blur with a Gaussian of this sigma in px of the tile."""
    blurred = ndimage.gaussian_filter(pixels.astype(np.float32), (0, sigma_px, sigma_px, 0), mode="nearest")
    return np.rint(np.clip(blurred, 0, 255)).astype(np.uint8)


def jpeg(pixels: Pixels, quality: float) -> Pixels:
    """Compress each tile as JPEG of this quality (100 is best), and open it again."""
    found = np.empty_like(pixels)
    for i, tile in enumerate(pixels):
        file = io.BytesIO()
        Image.fromarray(tile).save(file, "JPEG", quality=int(quality))
        found[i] = np.asarray(Image.open(file).convert("RGB"))
    return found


def gamma(pixels: Pixels, exponent: float) -> Pixels:
    """Raise the share of light to this power."""
    return np.rint((pixels / 255.0) ** exponent * 255).astype(np.uint8)


KINDS: Final = (
    Kind("haematoxylin", (1.1, 1.25, 1.5, 2.0), "times as much", lambda p, f: stain(p, f, 0)),
    Kind("eosin", (1.1, 1.25, 1.5, 2.0), "times as much", lambda p, f: stain(p, f, 1)),
    Kind("blur", (0.5, 1.0, 2.0, 4.0), "px sigma", blur),
    Kind("JPEG", (90.0, 70.0, 40.0, 15.0), "quality", jpeg),
    Kind("gamma", (1.1, 1.25, 1.5, 2.0), "exponent", gamma),
)


@dataclass(frozen=True)
class Movement:
    """How F columns move under K kinds of change in J strengths, float64 (K, J, F), NaN where a column never varies.

    Attributes
    ----------
    moved
        Mean absolute change of a tile, in standard deviations of the unchanged tiles.
    shift
        Mean change with its sign, likewise.
    rank
        Rank correlation (Spearman) of the tiles before and after; NaN where all tiles are alike.
    median, median_low, median_high
        Median of `moved` over the columns that fire, (K, J), with the ends of its 95 % interval, slides drawn again.
    """

    moved: Floats
    shift: Floats
    rank: Floats
    median: Floats
    median_low: Floats
    median_high: Floats

    def arrays(self, name: str) -> dict[str, npt.NDArray[Any]]:
        """All arrays by the names under which they are stored."""
        return {f"{name}/{key}": value for key, value in vars(self).items()}


@dataclass(frozen=True)
class Stress:
    """What the changes did: to the features, and to the raw dimensions as a baseline.

    `drift` is the largest difference between stored activations and those of the unchanged pixels, in units of the
    largest activation; `reason` says why there is nothing.
    """

    features: Movement | None = None
    raw: Movement | None = None
    n_tiles: int = 0
    n_slides: int = 0
    drift: float = np.nan
    reason: str = ""


def stressed_tiles(inputs: StudyInput, most: int, seed: int) -> list[tuple[int, Ints]]:
    """Slides and some valid tiles of each: as many of each as can be, `most` in all at most."""
    usable = [(k, np.flatnonzero(valid)) for k, valid in enumerate(inputs.sets[0].valid) if valid.any()]
    rng = np.random.default_rng([seed, 0x57E])
    if len(usable) > most:
        usable = [usable[i] for i in np.sort(rng.permutation(len(usable))[:most])]
    left, found = most, []
    for place, (k, tiles) in enumerate(sorted(usable, key=lambda entry: entry[1].size)):
        share = min(tiles.size, left // (len(usable) - place))
        left -= share
        found.append((k, np.sort(rng.choice(tiles, share, replace=False)).astype(np.int64)))
    return [entry for entry in sorted(found, key=lambda entry: entry[0]) if entry[1].size]


def stress(inputs: StudyInput, most: int, seed: int, progress: Progress, checkpoints: Checkpoints) -> Stress:
    """Encode up to `most` tiles, spread over the slides, once unchanged and once for every change and strength."""
    if most < 1:
        return Stress(reason="it was not asked for")
    if inputs.reencode is None:
        return Stress(reason=inputs.not_reencoded or "pixels or weights are not at hand")
    chosen = stressed_tiles(inputs, most, seed)
    n_strengths = len(KINDS[0].strengths)
    total = 1 + len(KINDS) * n_strengths

    def encoded(number: int, name: str, change: Change) -> Arrays:
        def ahead(part: int) -> None:
            progress(f"stress test: {name}", number * len(chosen) + part, total * len(chosen))

        return checkpoints.get(f"stress-{number:02d}", lambda: _encoded(inputs, chosen, change, ahead))

    try:
        before = encoded(0, "unchanged", lambda pixels: pixels)
        after = []
        for i, kind in enumerate(KINDS):
            for j, strength in enumerate(kind.strengths):
                number = 1 + i * n_strengths + j
                after.append(encoded(number, kind.name, _bound(kind, strength)))
    except _NOT_AT_HAND as error:
        return Stress(reason=error.sentence.rstrip("."))
    progress("stress test", total, total)
    slides = np.repeat(np.arange(len(chosen)), [tiles.size for _, tiles in chosen])
    stored = sparse.vstack([sparse.csr_array(inputs.sets[0].features[k])[tiles] for k, tiles in chosen])
    features = _movement(_sparse(before), [_sparse(each) for each in after], slides, seed)
    raw = _movement(before["vectors"], [each["vectors"] for each in after], slides, seed)
    peak = max(float(abs(stored).max()), 1e-12)
    drift = float(abs(stored - _sparse(before)).max()) / peak
    return Stress(features, raw, int(slides.size), len(chosen), drift)


def _bound(kind: Kind, strength: float) -> Change:
    return lambda pixels: kind.change(pixels, strength)


def _encoded(
    inputs: StudyInput, chosen: Sequence[tuple[int, Ints]], change: Change, ahead: Callable[[int], None]
) -> Arrays:
    assert inputs.reencode is not None
    rows, vectors = [], []
    for part, (slide, tiles) in enumerate(chosen):
        for a in range(0, tiles.size, _BATCH):
            ahead(part)
            found = inputs.reencode(slide, tiles[a : a + _BATCH], change)
            rows.append(found[0])
            vectors.append(found[1])
    stacked = sparse.csr_array(sparse.vstack(rows))
    stacked.sort_indices()
    return {
        "data": stacked.data.astype(np.float32),
        "indices": stacked.indices.astype(np.int64),
        "indptr": stacked.indptr.astype(np.int64),
        "shape": np.array(stacked.shape),
        "vectors": np.concatenate(vectors).astype(np.float32),
    }


def _sparse(kept: Arrays) -> sparse.csc_array:
    shape = int(kept["shape"][0]), int(kept["shape"][1])
    return sparse.csc_array(sparse.csr_array((kept["data"], kept["indices"], kept["indptr"]), shape=shape))


def _movement(before: Any, after: Sequence[Any], slides: Ints, seed: int) -> Movement:
    width = before.shape[1]
    member = (np.arange(int(slides.max()) + 1)[:, None] == slides).astype(np.float64)
    moved, shift, rank = np.full((3, len(after), width), np.nan)
    medians = []
    for i, each in enumerate(after):
        by_slide = np.full((len(member), width), np.nan)
        for a in range(0, width, _SPAN):
            span = slice(a, min(a + _SPAN, width))
            old, new = _dense(before, span), _dense(each, span)
            spread = old.std(axis=0)
            varies = spread > 1e-6 * np.maximum(np.abs(old).max(axis=0), 1e-12)
            scale = np.where(varies, spread, np.nan)
            by_slide[:, span] = member @ (np.abs(new - old) / scale)
            shift[i, span] = (new - old).mean(axis=0) / scale
            rank[i, span] = _columns_r(stats.rankdata(old, axis=0), stats.rankdata(new, axis=0))
        moved[i] = by_slide.sum(axis=0) / len(slides)
        medians.append(_median(by_slide, member.sum(axis=1), seed))
    median, low, high = np.array(medians).T
    shape = len(KINDS), len(KINDS[0].strengths)
    moved, shift, rank = (each.reshape(*shape, width) for each in (moved, shift, rank))
    return Movement(moved, shift, rank, median.reshape(shape), low.reshape(shape), high.reshape(shape))


def _dense(values: Any, span: slice) -> Floats:
    block = values[:, span]
    return np.asarray(block if isinstance(block, np.ndarray) else block.toarray(), np.float64)


def _columns_r(first: Floats, second: Floats) -> Floats:
    """Pearson's r of each pair of columns, NaN where one is constant."""
    x, y = first - first.mean(axis=0), second - second.mean(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        r = (x * y).sum(axis=0) / np.sqrt((x**2).sum(axis=0) * (y**2).sum(axis=0))
    return np.where(np.isfinite(r), r, np.nan)


def _median(by_slide: Floats, sizes: Floats, seed: int) -> tuple[float, float, float]:
    """Median over columns of the mean change, and its interval, from sums by slide (S, W)."""
    known = np.isfinite(by_slide).all(axis=0)
    if not known.any():
        return np.nan, np.nan, np.nan
    sums = by_slide[:, known]
    value = float(np.median(sums.sum(axis=0) / sizes.sum()))
    n = len(sizes)
    if n < MIN_SLIDES:
        return value, np.nan, np.nan
    drawn = np.random.default_rng([seed, 0x3ED]).multinomial(n, np.full(n, 1 / n), 200)
    medians = [float(np.median((row @ sums) / (row @ sizes))) for row in drawn]
    low, high = np.quantile(medians, [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2])
    return value, float(low), float(high)
