"""All features of an SAE as points on a plane, like directions near one another; made by a job of the worker."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from sae_backend.cache import read_manifest
from sae_backend.errors import CacheError

XY: Final = "xy.bin"


def map_folder(cache_dir: Path, sae_digest: str) -> Path:
    """Where the map of an SAE lies, or would lie."""
    return cache_dir / "maps" / sae_digest


@dataclass(frozen=True)
class FeatureMap:
    """A finished map.

    Attributes
    ----------
    folder
        Where it lies.
    sae_digest
        Of the SAE.
    xy
        Places (x, y) of the features, float32 (F, 2), without unit; NaN where the decoder has no direction. Only
        nearness means something: neither axes nor distances between far groups do.
    method
        How it was made, in words.
    """

    folder: Path
    sae_digest: str
    xy: npt.NDArray[np.float32]
    method: str

    @property
    def n_features(self) -> int:
        """Number of features, F."""
        return int(self.xy.shape[0])

    @classmethod
    def open(cls, folder: Path) -> FeatureMap:
        """Open a committed map.

        Raises
        ------
        CacheError
            When it is unfinished or damaged.
        """
        manifest = read_manifest(folder)
        try:
            n_features = int(manifest["n_features"])
            xy = np.fromfile(folder / XY, "<f4").astype(np.float32).reshape(n_features, 2)
            return cls(folder, str(manifest["sae_digest"]), xy, str(manifest["method"]))
        except (OSError, ValueError, KeyError) as error:
            raise CacheError(f"{folder.name} is damaged.", "Delete it and make the map again.") from error
