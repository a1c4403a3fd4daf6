"""Changes of pixels: what they do to tiles, and which features they move."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage, sparse
from skimage.color import hed2rgb, rgb2hed

from sae_backend.errors import CancelledError, MismatchError
from sae_backend.studies.framework.inputs import FeatureSet, StudyInput, StudySlide
from sae_backend.studies.framework.result import Checkpoints
from sae_backend.studies.robustness.stress import KINDS, blur, gamma, jpeg, stain, stress, stressed_tiles
from tests.worlds.study import PROGRESS

PX = 24
HAEMATOXYLIN, EOSIN, SHARPNESS, STEADY, SILENT = range(5)


def drawn_tiles(n: int, seed: int) -> np.ndarray:
    """Tiles of two dyes alone, uint8 (n, PX, PX, 3); tiles differ in how much there is of each."""
    rng = np.random.default_rng(seed)
    amounts = np.zeros((n, PX, PX, 3))
    for dye in range(2):
        grain = ndimage.gaussian_filter(rng.random((n, PX, PX)), (0, 0.7, 0.7))
        amounts[..., dye] = (0.01 + 0.05 * rng.random((n, 1, 1))) * grain
    return np.rint(hed2rgb(amounts) * 255).astype(np.uint8)


class World:
    """An encoder whose features are known: amounts of dyes, sharpness, something the pixels do not hold, and nothing."""

    def __init__(self, n_slides: int = 6, n_tiles: int = 10) -> None:
        self.pixels = [drawn_tiles(n_tiles, k) for k in range(n_slides)]
        self.steady = [np.random.default_rng([9, k]).random(n_tiles) for k in range(n_slides)]
        self.calls = 0
        features = [self._features(k, pixels, np.arange(n_tiles)) for k, pixels in enumerate(self.pixels)]
        rows, cols = np.divmod(np.arange(n_tiles, dtype=np.int32), np.int32(4))
        slides = [
            StudySlide(f"s{k}", f"P{k}", {}, rows, cols, 112.0, np.zeros((n_tiles, 0)))
            for k in range(n_slides)
        ]
        valid = [np.ones(n_tiles, bool) for _ in slides]
        one = FeatureSet("x", [sparse.csc_array(f) for f in features], valid, [None] * n_slides)
        self.inputs = StudyInput(slides, [one], (), reencode=self)

    def _features(self, slide: int, pixels: np.ndarray, tiles: np.ndarray) -> np.ndarray:
        found = np.zeros((len(pixels), 5), np.float32)
        dyes = rgb2hed(pixels)[..., :2].mean(axis=(1, 2))
        found[:, HAEMATOXYLIN], found[:, EOSIN] = dyes.T * 100
        found[:, SHARPNESS] = np.abs(np.diff(pixels.astype(float), axis=2)).mean(axis=(1, 2, 3))
        found[:, STEADY] = self.steady[slide][tiles]
        return found

    def __call__(self, slide, tiles, change):
        self.calls += 1
        found = self._features(slide, change(self.pixels[slide][tiles]), tiles)
        return sparse.csr_array(found), found[:, :2]


def test_no_change_is_none_and_the_dyes_change_as_named() -> None:
    tiles = drawn_tiles(4, 0)
    assert (stain(tiles, 1.0, 0) == tiles).all() and (gamma(tiles, 1.0) == tiles).all()
    for dye in range(2):
        before, after = rgb2hed(tiles), rgb2hed(stain(tiles, 1.5, dye))
        assert after[..., dye].mean() == pytest.approx(1.5 * before[..., dye].mean(), rel=0.05)
        assert after[..., 1 - dye].mean() == pytest.approx(before[..., 1 - dye].mean(), rel=0.05)
    assert (
        np.diff(blur(tiles, 2.0).astype(float), axis=1).std() < np.diff(tiles.astype(float), axis=1).std() / 2
    )
    error = [np.abs(jpeg(tiles, q).astype(float) - tiles).mean() for q in KINDS[3].strengths]
    assert error == sorted(error) and error[0] > 0
    for kind in KINDS:
        assert len(kind.strengths) == len(KINDS[0].strengths)
        changed = kind.change(tiles, kind.strengths[-1])
        assert changed.shape == tiles.shape and changed.dtype == np.uint8


def test_only_stain_features_move_under_stain_and_more_with_strength() -> None:
    world = World()
    found = stress(world.inputs, 60, 0, PROGRESS, Checkpoints())
    assert found.reason == "" and (found.n_tiles, found.n_slides) == (60, 6)
    assert found.drift == pytest.approx(0)
    assert found.features is not None and found.raw is not None
    moved, rank = found.features.moved, found.features.rank
    by = {kind.name: i for i, kind in enumerate(KINDS)}
    for name, feature, other in (("haematoxylin", HAEMATOXYLIN, EOSIN), ("eosin", EOSIN, HAEMATOXYLIN)):
        assert moved[by[name], -1, feature] > 1
        assert (moved[by[name], :, other] < 0.15 * moved[by[name], :, feature]).all()
        assert (np.diff(moved[by[name], :, feature]) > 0).all()
        assert found.features.shift[by[name], -1, feature] == pytest.approx(
            moved[by[name], -1, feature], rel=0.01
        )
        assert rank[by[name], -1, feature] > 0.9
    assert np.nanargmax(moved[by["blur"], -1]) == SHARPNESS
    assert (np.diff(moved[by["blur"], :, SHARPNESS]) > 0).all()
    assert (moved[:, :, STEADY] == 0).all() and np.isnan(moved[:, :, SILENT]).all()
    assert rank[:, :, STEADY] == pytest.approx(1)
    median = found.features.median
    assert median == pytest.approx(np.nanmedian(moved, axis=2))
    assert (found.features.median_low <= median + 1e-12).all() and (
        median <= found.features.median_high + 1e-12
    ).all()


def test_finished_changes_are_not_made_again(tmp_path) -> None:
    world = World(2, 4)

    def stop(stage: str, _done: int, _total: int) -> None:
        if "JPEG" in stage:
            raise CancelledError("Enough.", "")

    with pytest.raises(CancelledError):
        stress(world.inputs, 8, 0, stop, Checkpoints(tmp_path))
    half = world.calls
    again = stress(world.inputs, 8, 0, PROGRESS, Checkpoints(tmp_path))
    assert half == 2 * 13 and world.calls == 2 * 21
    whole = stress(World(2, 4).inputs, 8, 0, PROGRESS, Checkpoints())
    assert again.features is not None and whole.features is not None
    assert again.features.moved == pytest.approx(whole.features.moved, nan_ok=True)


def test_reasons_and_tiles_that_are_spread() -> None:
    world = World()
    assert (
        stress(
            replace(world.inputs, reencode=None, not_reencoded="No file."), 9, 0, PROGRESS, Checkpoints()
        ).reason
        == "No file."
    )
    assert "not asked" in stress(world.inputs, 0, 0, PROGRESS, Checkpoints()).reason

    def broken(*_):
        raise MismatchError("The encoder is another one.", "")

    assert (
        stress(replace(world.inputs, reencode=broken), 9, 0, PROGRESS, Checkpoints()).reason
        == "The encoder is another one"
    )
    sizes = [tiles.size for _, tiles in stressed_tiles(world.inputs, 21, 0)]
    assert sum(sizes) == 21 and max(sizes) - min(sizes) <= 1
    assert len(stressed_tiles(world.inputs, 3, 0)) == 3
    assert sum(tiles.size for _, tiles in stressed_tiles(world.inputs, 999, 0)) == 60
