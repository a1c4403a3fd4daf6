"""The tile grid: a wish in um, the facts of a slide, and the frozen result.

Worked example: tiles of 224 px at 0.5 um/px are 112 um wide. On a slide of 0.25 um/px each covers
448 level-0 px (`tile_l0`); it is read there and averaged 2 x 2 into 224 px.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from sae_backend.errors import MismatchError, NoTissueError, UserInputError
from sae_backend.slides.slide import validate_mpp

if TYPE_CHECKING:
    from sae_backend.slides.slide import SlideInfo
    from sae_backend.slides.tissue import TissueMask

_UPSAMPLING_LIMIT: Final = 1.1


@dataclass(frozen=True)
class TileSpec:
    """The wish: tiles of `tile_px` px at `tile_mpp` um/px every `stride_px`, with enough tissue.

    `stride_px` None means the tile's own width (no overlap, no gap).
    """

    tile_px: int = 224
    tile_mpp: float = 0.5
    stride_px: int | None = None
    min_tissue: float = 0.25

    def __post_init__(self) -> None:
        validate_mpp(self.tile_mpp)
        if not 16 <= self.tile_px <= 4096:
            raise UserInputError(f"A tile of {self.tile_px} px is not possible.", "Use 16 to 4096 px.")
        if not 1 <= self.stride <= self.tile_px:
            raise UserInputError(
                f"A stride of {self.stride} px does not fit tiles of {self.tile_px} px.",
                "Use a stride between 1 and the tile width, so that no tissue is skipped unseen.",
            )
        if not 0.0 <= self.min_tissue <= 1.0:
            raise UserInputError(f"A tissue share of {self.min_tissue} is not possible.", "Use 0 to 1.")

    @property
    def stride(self) -> int:
        """Step between tiles in px at `tile_mpp`."""
        return self.tile_px if self.stride_px is None else self.stride_px


@dataclass(frozen=True)
class TileGrid:
    """The kept tiles of one slide.

    Tile i covers [y, y + tile_l0) x [x, x + tile_l0) in level-0 px, where (y, x) =
    origin_l0 + (rows[i], cols[i]) * stride_l0. `rows` and `cols` are int32 (N,) in row-major order,
    `tissue_fraction` float32 (N,), `shape` the whole grid (rows, cols), `mpp` um per level-0 px.
    """

    slide_fingerprint: str
    mpp: float
    spec: TileSpec
    tile_l0: float
    stride_l0: float
    origin_l0: tuple[float, float]
    shape: tuple[int, int]
    rows: npt.NDArray[np.int32]
    cols: npt.NDArray[np.int32]
    tissue_fraction: npt.NDArray[np.float32]

    @property
    def n_tiles(self) -> int:
        """Number of kept tiles, N."""
        return int(self.rows.size)

    @cached_property
    def digest(self) -> str:
        """Digest of the slide, the geometry and the kept tiles."""
        fixed = json.dumps(self._head(), sort_keys=True).encode()
        body = self.rows.astype("<i4").tobytes() + self.cols.astype("<i4").tobytes()
        return hashlib.blake2b(fixed + body, digest_size=16).hexdigest()

    def origins_l0(self) -> npt.NDArray[np.float64]:
        """Top left corners, float64 (N, 2) of (y, x) in level-0 px."""
        cells = np.stack([self.rows, self.cols], axis=1).astype(np.float64)
        return np.asarray(self.origin_l0) + cells * self.stride_l0

    def centres_l0(self) -> npt.NDArray[np.float64]:
        """Centres, float64 (N, 2) of (y, x) in level-0 px."""
        return self.origins_l0() + self.tile_l0 / 2

    def index_map(self) -> npt.NDArray[np.int32]:
        """Tile index per grid cell, int32 `shape`; -1 where no tile was kept."""
        out = np.full(self.shape, -1, np.int32)
        out[self.rows, self.cols] = np.arange(self.n_tiles, dtype=np.int32)
        return out

    def tile_at(self, y_l0: float, x_l0: float) -> int:
        """Index of the kept tile at a point (level-0 px), or -1."""
        return int(self.tiles_at(np.array([[y_l0, x_l0]]))[0])

    def tiles_at(self, yx_l0: npt.NDArray[np.float64]) -> npt.NDArray[np.int32]:
        """Kept tile of each point: int32 (M,), -1 for none; `yx_l0` is (M, 2) in level-0 px.

        Where tiles overlap a point belongs to the kept tile whose centre is nearest.
        """
        lookup = self.index_map()
        steps = (np.asarray(yx_l0, np.float64) - np.asarray(self.origin_l0)) / self.stride_l0
        reach = self.tile_l0 / self.stride_l0
        first = np.floor(steps).astype(np.int64)
        best = np.full(len(steps), -1, np.int32)
        best_distance = np.full(len(steps), np.inf)
        span = int(np.ceil(reach))
        for dy in range(span):
            for dx in range(span):
                cell = first - (dy, dx)
                offset = steps - cell
                fits = ((cell >= 0) & (cell < self.shape)).all(axis=1) & (offset < reach).all(axis=1)
                where = np.flatnonzero(fits)
                index = lookup[cell[where, 0], cell[where, 1]]
                distance = ((offset[where] - reach / 2) ** 2).sum(axis=1)
                better = (index >= 0) & (distance < best_distance[where])
                best[where[better]] = index[better]
                best_distance[where[better]] = distance[better]
        return best

    def _head(self) -> dict[str, Any]:
        return {
            "slide_fingerprint": self.slide_fingerprint,
            "mpp": self.mpp,
            "spec": asdict(self.spec),
            "tile_l0": self.tile_l0,
            "stride_l0": self.stride_l0,
            "origin_l0": list(self.origin_l0),
            "shape": list(self.shape),
        }

    def to_json(self) -> dict[str, Any]:
        """Return the grid as plain JSON values."""
        return {
            **self._head(),
            "rows": self.rows.tolist(),
            "cols": self.cols.tolist(),
            "tissue_fraction": [round(float(v), 4) for v in self.tissue_fraction],
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> TileGrid:
        """Rebuild what :meth:`to_json` gave."""
        return cls(
            slide_fingerprint=data["slide_fingerprint"],
            mpp=float(data["mpp"]),
            spec=TileSpec(**data["spec"]),
            tile_l0=float(data["tile_l0"]),
            stride_l0=float(data["stride_l0"]),
            origin_l0=(float(data["origin_l0"][0]), float(data["origin_l0"][1])),
            shape=(int(data["shape"][0]), int(data["shape"][1])),
            rows=np.asarray(data["rows"], np.int32),
            cols=np.asarray(data["cols"], np.int32),
            tissue_fraction=np.asarray(data["tissue_fraction"], np.float32),
        )


def resolve_grid(spec: TileSpec, info: SlideInfo, tissue: TissueMask) -> TileGrid:
    """Lay the wished grid over a slide and keep the tiles with enough tissue.

    Only whole tiles inside the scanned bounds count: a model never sees invented pixels.

    Raises
    ------
    PixelSizeError
        If the slide's pixel size is unknown.
    MismatchError
        If the slide is coarser than the tiles ask for.
    NoTissueError
        If no tile holds enough tissue.
    """
    mpp = info.require_mpp()
    if mpp > spec.tile_mpp * _UPSAMPLING_LIMIT:
        raise MismatchError(
            f"{info.path.name} has {mpp:g} um per pixel, coarser than the {spec.tile_mpp:g} asked for.",
            f"The detail is not in the file; use --tile-mpp {mpp:g} or a finer scan.",
        )
    scale = spec.tile_mpp / mpp
    tile_l0, stride_l0 = spec.tile_px * scale, spec.stride * scale
    y0, x0, height, width = info.bounds_l0
    height, width = min(height, info.height_px - y0), min(width, info.width_px - x0)
    n_rows = int(np.floor((height - tile_l0) / stride_l0 + 1e-9)) + 1
    n_cols = int(np.floor((width - tile_l0) / stride_l0 + 1e-9)) + 1
    if n_rows < 1 or n_cols < 1:
        raise NoTissueError(
            f"{info.path.name} is smaller than one tile of {spec.tile_px * spec.tile_mpp:g} um.",
            "Use smaller tiles (--tile-px) or check the pixel size.",
        )
    rows, cols = (a.ravel() for a in np.mgrid[0:n_rows, 0:n_cols])
    origins = np.stack([rows, cols], axis=1) * stride_l0 + (y0, x0)
    fraction = tissue.fractions(origins, tile_l0)
    keep = fraction >= max(spec.min_tissue, 1e-6)
    if not keep.any():
        raise NoTissueError(
            f"No tissue was found on {info.path.name}.",
            f"{n_rows * n_cols} tiles were looked at; lower the tissue share (--min-tissue) or check the slide.",
        )
    return TileGrid(
        slide_fingerprint=info.fingerprint,
        mpp=mpp,
        spec=spec,
        tile_l0=tile_l0,
        stride_l0=stride_l0,
        origin_l0=(float(y0), float(x0)),
        shape=(n_rows, n_cols),
        rows=rows[keep].astype(np.int32),
        cols=cols[keep].astype(np.int32),
        tissue_fraction=fraction[keep],
    )
