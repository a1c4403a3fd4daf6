"""Two looks at the same piece of tissue: turned, shifted, stained and scanned differently."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from sae_backend.compute.encoders.small_vit import PATCH_PX

_STAINS: Final = torch.tensor([[0.650, 0.704, 0.286], [0.072, 0.990, 0.105], [0.268, 0.570, 0.776]])
_REACH: Final = 3


@dataclass(frozen=True)
class ViewSpec:
    """How different two looks may be; every size is a standard deviation.

    Attributes
    ----------
    shift_px
        How far apart the corners of two looks at the same place may lie along each axis.
    neighbour_px
        The same of two looks at neighbouring places, which share the kind of tissue and not the cells.
    neighbour_share
        Share of the pieces that are looked at in neighbouring places.
    stain
        Of the logarithm of the amounts of haematoxylin and eosin; what neither explains varies half as much.
    hue
        Of the stains' directions.
    gamma, white
        Of the logarithm of each channel's exponent; most that a channel's white is lowered.
    noise
        Most of the sensor's noise, as a share of white.
    """

    shift_px: int = 12
    neighbour_px: int = 140
    neighbour_share: float = 0.5
    stain: float = 0.30
    hue: float = 0.05
    gamma: float = 0.12
    white: float = 0.12
    noise: float = 0.012


class Pieces:
    """Random squares of tissue from slides held as memory-mapped arrays.

    Parameters
    ----------
    slides
        (h, w, 3) uint8 RGB each.
    places
        (M, 2) int64 (y, x) px each, around which pieces are taken.
    """

    def __init__(self, slides: Sequence[NDArray[np.uint8]], places: Sequence[NDArray[np.int64]]) -> None:
        self._slides, self._places = list(slides), list(places)

    def draw(self, rng: np.random.Generator, n: int, side_px: int, n_slides: int) -> NDArray[np.uint8]:
        """`n` pieces (n, side_px, side_px, 3) from `n_slides` slides.

        Pieces of few slides share their stain and scanner, so that only what lies in them tells them apart.
        """
        out = np.empty((n, side_px, side_px, 3), np.uint8)
        numbers = rng.choice(len(self._slides), min(n_slides, len(self._slides)), replace=False)
        for i in range(n):
            number = int(numbers[i % len(numbers)])
            slide, places = self._slides[number], self._places[number]
            centre = places[rng.integers(len(places))] + rng.integers(-32, 33, 2)
            limit = np.array(slide.shape[:2]) - side_px
            top, left = np.clip(centre - side_px // 2, 0, limit)
            out[i] = slide[top : top + side_px, left : left + side_px]
        return out


@dataclass(frozen=True)
class Looks:
    """One look at each of n pieces.

    Attributes
    ----------
    pixels
        (n, 3, side, side) float32 of about 0 to 1.
    source
        (n, k * k) int64: which square of the unturned look, cut into k x k tokens and numbered row by
        row, is seen in each token of the look, which may be turned and mirrored.
    """

    pixels: torch.Tensor
    source: torch.Tensor


def pair_corners(
    rng: np.random.Generator, n: int, spec: ViewSpec
) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
    """Where two looks at n pieces begin.

    Returns
    -------
    first, second
        (n, 2) int64 (y, x) px in pieces that are `neighbour_px` larger than a look.
    n_same
        The first `n_same` pieces are looked at in the same place, give or take `shift_px`; the rest in
        neighbouring places.
    """
    n_same = n - round(spec.neighbour_share * n)
    slack = spec.neighbour_px
    first, second = rng.integers(0, slack + 1, (2, n, 2))
    near = first + rng.integers(-spec.shift_px, spec.shift_px + 1, (n, 2))
    second[:n_same] = np.clip(near, 0, slack)[:n_same]
    return first, second, n_same


def look(
    pieces: NDArray[np.uint8],
    corners: NDArray[np.int64],
    side_px: int,
    spec: ViewSpec,
    generator: torch.Generator,
) -> Looks:
    """Take one look at each piece.

    Parameters
    ----------
    pieces
        (n, s, s, 3) uint8 RGB.
    corners
        (n, 2) px (y, x), where each look begins in its piece.
    side_px
        Side of the looks, a multiple of `PATCH_PX`.
    spec
        How they vary.
    generator
        Decides all.
    """
    n, n_squares = len(pieces), side_px // PATCH_PX

    def whole(high: int) -> list[int]:
        found: list[int] = torch.randint(0, high, (n,), generator=generator).tolist()
        return found

    turns, flips = whole(4), whole(2)
    pixels = torch.empty(n, 3, side_px, side_px)
    source = torch.empty(n, n_squares**2, dtype=torch.int64)
    squares = np.arange(n_squares**2).reshape(n_squares, n_squares)
    for i in range(n):
        top, left = corners[i]
        cut = pieces[i, top : top + side_px, left : left + side_px]
        turned = np.rot90(cut[:, ::-1] if flips[i] else cut, turns[i])
        pixels[i] = torch.from_numpy(np.ascontiguousarray(turned)).permute(2, 0, 1)
        where = np.rot90(squares[:, ::-1] if flips[i] else squares, turns[i])
        source[i] = torch.from_numpy(np.ascontiguousarray(where).ravel())
    return Looks(_scan(_restain(pixels, spec, generator), spec, generator), source)


def _restain(pixels: torch.Tensor, spec: ViewSpec, generator: torch.Generator) -> torch.Tensor:
    """Optical density with other amounts and directions of the dyes, back to light."""
    n = len(pixels)
    density = torch.log_((pixels + 1).div_(256)).neg_()
    spread = torch.tensor([spec.stain, spec.stain, spec.stain / 2])
    amounts = torch.exp(torch.randn(n, 3, generator=generator) * spread)
    dyes = _STAINS + spec.hue * torch.randn(n, 3, 3, generator=generator)
    mixing = torch.linalg.inv(_STAINS) @ torch.diag_embed(amounts) @ dyes
    density = torch.bmm(mixing.transpose(1, 2), density.view(n, 3, -1)).view(pixels.shape)
    gamma = torch.exp(spec.gamma * torch.randn(n, 3, 1, 1, generator=generator))
    return density.clamp_min_(-0.1).mul_(-gamma).exp_()


def _scan(light: torch.Tensor, spec: ViewSpec, generator: torch.Generator) -> torch.Tensor:
    """Another white, blur or sharpening for half of the looks, and noise."""
    n = len(light)
    light *= 1 - spec.white * torch.rand(n, 3, 1, 1, generator=generator)
    sigma, kind = torch.rand(2, generator=generator).tolist()
    at = torch.arange(-_REACH, _REACH + 1).float()
    kernel = _normal(at, 0.4 + 1.1 * sigma)
    if kind < 0.4:
        kernel = 1.6 * kernel - 0.6 * _normal(at, 1.6 + 1.1 * sigma)
    half = light[: n // 2]
    for axis in (2, 3):
        # Seven shifted sums are several times quicker on a CPU than a grouped convolution.
        side = half.shape[axis]
        padding = (_REACH, _REACH, 0, 0) if axis == 3 else (0, 0, _REACH, _REACH)
        padded = functional.pad(half, padding, mode="replicate")
        half = padded.narrow(axis, 0, side) * kernel[0]
        for k in range(1, len(kernel)):
            half.add_(padded.narrow(axis, k, side), alpha=float(kernel[k]))
    light[: n // 2] = half
    strength = spec.noise * torch.rand(n, 1, 1, 1, generator=generator)
    return light.add_(strength * torch.randn(light.shape, generator=generator))


def _normal(at: torch.Tensor, sigma: float) -> torch.Tensor:
    weight = torch.exp(-0.5 * (at / sigma) ** 2)
    return weight / weight.sum()
