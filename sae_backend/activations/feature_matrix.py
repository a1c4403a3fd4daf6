"""Sparse activations of one slide, by tile (CSR) and by feature (CSC), as flat memory-mapped arrays."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy.sparse import csc_array, csr_array

from sae_backend.atomic_write import disk_errors
from sae_backend.cache import commit_folder, read_manifest
from sae_backend.errors import CacheError, UserInputError
from sae_backend.models.cards import digest_of
from sae_backend.slides.tiles import TileGrid

_ARRAYS: Final = {
    "csr_indptr": "<i8",
    "csr_features": "<u4",
    "csr_values": "<f4",
    "csc_indptr": "<i8",
    "csc_tiles": "<u4",
    "csc_values": "<f4",
    "valid": "u1",
}


@dataclass(frozen=True)
class FeatureStats:
    """Per feature, arrays (F,): over the n valid tiles of the slide."""

    firing_rate: npt.NDArray[np.float64]
    max_value: npt.NDArray[np.float64]
    mean_when_firing: npt.NDArray[np.float64]
    n_firing: npt.NDArray[np.int64]


def feature_key(embedding_digest: str, sae_digest: str) -> str:
    """Digest of a slide's activations: of the embeddings and the SAE they come from."""
    return digest_of({"embeddings": embedding_digest, "sae": sae_digest})[:32]


@dataclass(frozen=True)
class FeatureMatrix:
    """Activations (N, F) >= 0 of one slide; rows of bad tiles are empty and not `valid`."""

    folder: Path
    manifest: dict[str, Any]
    grid: TileGrid
    n_features: int
    valid: npt.NDArray[np.bool_]
    _arrays: dict[str, npt.NDArray[Any]]

    @property
    def n_tiles(self) -> int:
        """Number of tiles, N."""
        return self.grid.n_tiles

    @property
    def sae_digest(self) -> str:
        """Identity of the SAE."""
        return str(self.manifest["sae_digest"])

    @property
    def embedding_digest(self) -> str:
        """Identity of the embeddings."""
        return str(self.manifest["embedding_digest"])

    def column(self, feature: int) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.float32]]:
        """Tiles where a feature fires, ascending, uint32 (n,), and its values there, float32 (n,)."""
        if not 0 <= feature < self.n_features:
            raise UserInputError(
                f"There is no feature {feature}.", f"This SAE has features 0 to {self.n_features - 1}."
            )
        start, stop = self._arrays["csc_indptr"][feature : feature + 2]
        return self._arrays["csc_tiles"][start:stop], self._arrays["csc_values"][start:stop]

    def row(self, tile: int) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.float32]]:
        """Features that fire in a tile, ascending, uint32 (n,), and their values, float32 (n,)."""
        if not 0 <= tile < self.n_tiles:
            raise UserInputError(
                f"There is no tile {tile}.", f"This slide has tiles 0 to {self.n_tiles - 1}."
            )
        start, stop = self._arrays["csr_indptr"][tile : tile + 2]
        return self._arrays["csr_features"][start:stop], self._arrays["csr_values"][start:stop]

    def csc(self) -> csc_array:
        """All activations as a float32 sparse array (N, F) by column; values and places stay on disk until they are read."""
        parts = (self._arrays["csc_values"], self._arrays["csc_tiles"], self._arrays["csc_indptr"])
        data, tiles, indptr = (np.asarray(part) for part in parts)
        if self.n_tiles < 2**31 and data.size < 2**31:
            # Numbers below 2**31 are the same bits with and without a sign, so that nothing is copied.
            tiles, indptr = tiles.view(np.int32), indptr.astype(np.int32)
        else:
            tiles = tiles.astype(np.int64)
        return csc_array((data, tiles, indptr), shape=(self.n_tiles, self.n_features))

    @cached_property
    def stats(self) -> FeatureStats:
        """Firing rate, maximum and mean when firing, per feature; zeros where it never fires."""
        indptr = np.asarray(self._arrays["csc_indptr"])
        values = np.asarray(self._arrays["csc_values"], np.float64)
        n_firing = np.diff(indptr)
        features = np.repeat(np.arange(self.n_features), n_firing)
        sums = np.bincount(features, values, self.n_features)
        peak = np.zeros(self.n_features)
        np.maximum.at(peak, features, values)
        n_valid = max(int(self.valid.sum()), 1)
        return FeatureStats(n_firing / n_valid, peak, sums / np.maximum(n_firing, 1), n_firing)

    @classmethod
    def open(cls, folder: Path, *, verify: bool = False) -> FeatureMatrix:
        """Open a committed folder; `verify` recomputes its checksums.

        Raises
        ------
        CacheError
            When it is unfinished or damaged.
        """
        manifest = read_manifest(folder, verify=verify)
        try:
            arrays = {
                name: _map(folder / f"{name}.bin", dtype, int(manifest["lengths"][name]))
                for name, dtype in _ARRAYS.items()
            }
            grid = TileGrid.from_json(manifest["grid"])
            n_features = int(manifest["n_features"])
        except (OSError, ValueError, KeyError) as error:
            raise CacheError(f"{folder.name} is damaged.", "Delete it and run the analysis again.") from error
        valid = np.asarray(arrays.pop("valid")) == 1
        return cls(folder, manifest, grid, n_features, valid, arrays)


def _map(path: Path, dtype: str, length: int) -> npt.NDArray[Any]:
    if length == 0:
        return np.zeros(0, dtype)
    return np.memmap(path, dtype, "r", shape=(length,))


def write_features(
    final: Path,
    rows: Iterable[csr_array],
    valid: npt.NDArray[np.bool_],
    grid: TileGrid,
    digests: dict[str, str],
) -> FeatureMatrix:
    """Write and commit a slide's activations.

    Parameters
    ----------
    final
        The folder to make.
    rows
        Blocks of rows (n, F), in tile order, together (N, F).
    valid
        bool (N,).
    grid
        The tiles.
    digests
        `sae_digest` and `embedding_digest`.

    Raises
    ------
    CacheError
        When the disk refuses.
    """
    blocks = list(rows)
    n_features = int(blocks[0].shape[1])
    indptr = np.concatenate([[0], np.cumsum(np.concatenate([np.diff(b.indptr) for b in blocks]))])
    columns = np.concatenate([b.indices for b in blocks])
    values = np.concatenate([b.data for b in blocks]).astype(np.float32)
    whole = csr_array((values, columns, indptr), shape=(len(indptr) - 1, n_features))
    by_column = whole.tocsc()
    by_column.sort_indices()
    arrays: dict[str, npt.NDArray[Any]] = {
        "csr_indptr": indptr,
        "csr_features": columns,
        "csr_values": values,
        "csc_indptr": by_column.indptr,
        "csc_tiles": by_column.indices,
        "csc_values": by_column.data,
        "valid": valid,
    }
    partial = final.with_name(final.name + ".partial")
    with disk_errors(final):
        partial.mkdir(parents=True, exist_ok=True)
        for name, dtype in _ARRAYS.items():
            # Not ndarray.tofile, whose error does not say that the disk is full.
            (partial / f"{name}.bin").write_bytes(arrays[name].astype(dtype).tobytes())
    manifest = {
        "kind": "features",
        **digests,
        "digest": feature_key(digests["embedding_digest"], digests["sae_digest"]),
        "grid": grid.to_json(),
        "n_features": n_features,
        "n_valid": int(valid.sum()),
        "lengths": {name: int(arrays[name].size) for name in _ARRAYS},
        "dtypes": _ARRAYS,
    }
    commit_folder(partial, final, manifest)
    return FeatureMatrix.open(final)
