"""Questions about the inside of tiles: what to ask of the worker, and where its answer lies on the slide."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from desktop_app.project.analysis_jobs import weights_key
from sae_backend.errors import UserInputError
from sae_backend.models.bundled_models import sae_folder
from sae_backend.worker.requests import OcclusionRequest, TokenMapRequest

if TYPE_CHECKING:
    from desktop_app.store import AnalysisRecord, Store
    from sae_backend.activations.feature_matrix import FeatureMatrix
    from sae_backend.slides.tiles import TileGrid

FieldUm = tuple[float, float, float, float]
"""What is in view: y0, x0, y1, x1 in um of the world."""


@dataclass(frozen=True)
class Wish:
    """A feature to look at, and the .npy file that the worker writes its answer to."""

    feature: int
    out_file: Path
    device: str = "auto"


def token_request(
    store: Store, analysis: AnalysisRecord, features: FeatureMatrix, wish: Wish, tiles: Sequence[int]
) -> TokenMapRequest:
    """What to ask of the worker to see a feature at the tokens of some tiles.

    Raises
    ------
    UserInputError
        When the project no longer knows the SAE.
    """
    known = _common(store, analysis, features, wish)
    return TokenMapRequest(**known, tiles=tuple(int(tile) for tile in tiles))


def occlusion_request(
    store: Store, analysis: AnalysisRecord, features: FeatureMatrix, wish: Wish, tile: int
) -> OcclusionRequest:
    """What to ask of the worker to see which squares of a tile a feature needs.

    Raises
    ------
    UserInputError
        When the project no longer knows the SAE.
    """
    return OcclusionRequest(**_common(store, analysis, features, wish), tile=int(tile))


def _common(store: Store, analysis: AnalysisRecord, features: FeatureMatrix, wish: Wish) -> dict[str, Any]:
    return {
        "slide": str(store.slides.get(analysis.slide_id).path),
        "feature_dir": str(features.folder),
        "encoder": analysis.encoder,
        "encoder_digest": analysis.encoder_digest,
        "weights": store.settings.get(weights_key(analysis.encoder_digest)),
        "layer": analysis.layer,
        "pooling": analysis.pooling,
        "sae_dir": str(_sae_folder(store, analysis, features)),
        "feature": wish.feature,
        "out_file": str(wish.out_file),
        "device": wish.device,
    }


def _sae_folder(store: Store, analysis: AnalysisRecord, features: FeatureMatrix) -> Path:
    sae = store.saes.get(features.sae_digest)
    if sae is not None and sae.folder.is_dir():
        return sae.folder
    # The program may have moved since, and what ships with it; the worker checks the digest.
    shipped = sae_folder(analysis.encoder)
    if shipped is None:
        raise UserInputError(
            "The folder of this analysis's autoencoder is not there any more.",
            "Put it back, or analyse the slide again with another autoencoder.",
        )
    return shipped


def tiles_in_view(
    grid: TileGrid, valid: npt.NDArray[np.bool_], field_um: FieldUm, limit: int
) -> npt.NDArray[np.int64]:
    """Tiles with a vector of which any part is in view, those nearest to the middle first.

    Parameters
    ----------
    grid
        The tiles.
    valid
        bool (N,), which of them have a vector.
    field_um
        y0, x0, y1, x1 in um; the centre of level-0 px (0, 0) is the origin.
    limit
        The largest number to return.

    Returns
    -------
    ndarray
        int64 (n,), n <= limit.
    """
    y0, x0, y1, x1 = field_um
    corners = (grid.origins_l0() - 0.5) * grid.mpp
    edge = grid.tile_l0 * grid.mpp
    top, left = corners[:, 0], corners[:, 1]
    seen = np.flatnonzero(valid & (top < y1) & (top + edge > y0) & (left < x1) & (left + edge > x0))
    middle = np.array([(y0 + y1) / 2, (x0 + x1) / 2])
    distance = ((corners[seen] + edge / 2 - middle) ** 2).sum(axis=1)
    return seen[np.argsort(distance, kind="stable")[:limit]].astype(np.int64)


@dataclass(frozen=True)
class Mosaic:
    """An image of the world: float32 with NaN where nothing is known, px size and place of px (0, 0) in um."""

    image: npt.NDArray[np.float32]
    scale_um: tuple[float, float]
    translate_um: tuple[float, float]


def token_mosaic(grid: TileGrid, tiles: Sequence[int], maps: npt.NDArray[np.float32]) -> Mosaic:
    """Lay the maps of some tiles on the slide; where tiles overlap, a place has the mean of its tiles.

    Parameters
    ----------
    grid
        The tiles.
    tiles
        Their numbers (n,).
    maps
        (n, h, w), NaN where a tile could not be read.

    Raises
    ------
    UserInputError
        When tiles overlap by a part of a token, so that no common raster holds them.
    """
    index = np.asarray(tiles, np.int64)
    sides = np.array(maps.shape[1:])
    cells = np.stack([grid.rows[index], grid.cols[index]], axis=1).astype(np.float64)
    first = cells.min(axis=0)
    exact = (cells - first) * grid.spec.stride * sides / grid.spec.tile_px
    places = np.rint(exact).astype(np.int64)
    if not np.allclose(exact, places, atol=1e-6):
        raise UserInputError(
            "These tiles overlap by a part of a token, so their insides do not fit together.",
            "Analyse the slide without overlap to look inside the tiles.",
        )
    shape = tuple(places.max(axis=0) + sides)
    total, count = np.zeros(shape), np.zeros(shape)
    for (y, x), one in zip(places, maps, strict=True):
        where = np.s_[y : y + sides[0], x : x + sides[1]]
        known = np.isfinite(one)
        total[where] += np.where(known, one, 0.0)
        count[where] += known
    image = np.full(shape, np.nan, np.float32)
    np.divide(total, count, out=image, where=count > 0, casting="unsafe")
    token_l0 = grid.tile_l0 / sides
    # Half a px: the world's origin is the centre of level-0 px (0, 0), and an image's place that of its px (0, 0).
    corner = np.asarray(grid.origin_l0) + first * grid.stride_l0
    y_um, x_um = (corner + (token_l0 - 1) / 2) * grid.mpp
    return Mosaic(
        image,
        (float(token_l0[0] * grid.mpp), float(token_l0[1] * grid.mpp)),
        (float(y_um), float(x_um)),
    )
