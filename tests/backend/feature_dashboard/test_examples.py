"""Examples at several levels: bands, spread, few and dead features, look-alikes that were planted."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from sae_backend.activations.feature_matrix import FeatureMatrix
from sae_backend.activations.histogram import activation_histogram, percentile_of
from sae_backend.errors import MismatchError, UserInputError
from sae_backend.feature_dashboard.examples import BANDS, LEVELS, Example, find_examples, find_levels
from sae_backend.feature_dashboard.hard_negatives import CentredVectors
from tests.backend.fixtures.activations import DIGESTS, laid, square_grid

SIDE = 40
N = SIDE * SIDE


def tiles_of(examples: tuple[Example, ...]) -> list[int]:
    return [example.tile for example in examples]


def touching(tiles: list[int], reach: int = 1) -> int:
    pairs = combinations([divmod(tile, SIDE) for tile in tiles], 2)
    return sum(max(abs(a[0] - b[0]), abs(a[1] - b[1])) <= reach for a, b in pairs)


def smooth(tmp_path: Path, n_firing: int = 1200, stride_px: int = 32) -> tuple[FeatureMatrix, np.ndarray]:
    """Feature 0 is a hill: neighbours have nearly the same value, so the strongest tiles are one spot."""
    row, col = np.divmod(np.arange(N), SIDE)
    height = 100 / (1 + np.hypot(row - 20.3, col - 17.1))
    height[np.argsort(height)[: N - n_firing]] = 0
    dense = np.stack([height, np.zeros(N)], axis=1).astype(np.float32)
    return laid(tmp_path / "f", dense, grid=square_grid(SIDE, stride_px)), dense[:, 0]


def test_levels_lie_in_their_bands_without_a_tile_twice_and_without_touching(tmp_path: Path) -> None:
    features, column = smooth(tmp_path)
    found = find_examples(features, 0, n=12)
    firing = np.sort(column[column > 0])
    assert tuple(sorted(found.levels)) == tuple(sorted(LEVELS))
    assert (found.n_tiles, found.n_firing) == (N, 1200)
    for level, (low, high) in BANDS.items():
        values = [example.value for example in found.levels[level]]
        assert len(values) == 12
        assert firing[int(low * 1200)] <= min(values) and max(values) <= firing[int(high * 1200) - 1]
    for level in ("top", *BANDS, "random"):
        examples = found.levels[level]
        assert [e.value for e in examples] == pytest.approx([column[e.tile] for e in examples])
        assert [e.value for e in examples] == sorted((e.value for e in examples), reverse=True)
    ranked = [tiles_of(found.levels[level]) for level in ("top", *BANDS)]
    assert len({tile for tiles in ranked for tile in tiles}) == 48
    assert [touching(tiles) for tiles in ranked] == [0, 0, 0, 0]
    # By hand: from the strongest down, whatever touches a chosen one is passed over.
    by_hand: list[int] = []
    for tile in np.argsort(-column).tolist():
        if len(by_hand) < 12 and touching([*by_hand, tile]) == 0:
            by_hand.append(tile)
    assert sorted(tiles_of(found.levels["top"])) == sorted(by_hand)


def test_tiles_that_overlap_touch_over_two_steps(tmp_path: Path) -> None:
    features, _ = smooth(tmp_path, stride_px=16)
    assert touching(tiles_of(find_levels(features, 0, n=6)["top"]), reach=2) == 0


def test_the_same_question_has_the_same_answer(tmp_path: Path) -> None:
    features, _ = smooth(tmp_path)
    first, again = (find_levels(features, 0) for _ in range(2))
    other = find_levels(features, 0, seed=1)
    assert first == again
    assert other["top"] == first["top"] and other["random"] != first["random"]
    assert other["middle"] != first["middle"]


def test_the_random_level_is_a_fair_draw_of_the_firing_tiles(tmp_path: Path) -> None:
    # Half of the firing tiles are one clump, in which tiles that do not touch are few.
    column = np.zeros(N)
    clump = [(r, c) for r in range(7) for c in range(7)]
    lone = [(r, c) for r in range(10, 40, 4) for c in range(0, 40, 6)][:49]
    for r, c in clump + lone:
        column[r * SIDE + c] = 1 + r + c / 10
    features = laid(tmp_path / "f", column[:, None])
    in_clump = [
        sum(tile // SIDE < 7 for tile in tiles_of(find_levels(features, 0, n=12, seed=seed)["random"]))
        for seed in range(200)
    ]
    # 12 of 98 without replacement: mean 6, standard error 0.12 over 200 draws.
    assert abs(np.mean(in_clump) - 6) < 0.5


def test_few_and_dead_features_give_short_and_empty_levels(tmp_path: Path) -> None:
    dense = np.zeros((N, 3))
    dense[100:105, 1] = [3, 1, 5, 2, 4]
    dense[::80, 2] = np.arange(20) + 1
    features = laid(tmp_path / "f", dense)
    dead = find_examples(features, 0)
    assert dead.n_firing == 0 and not any(dead.levels.values())
    few = find_examples(features, 1).levels
    assert tiles_of(few["top"]) == [102, 104, 100, 103, 101]
    assert sorted(tiles_of(few["random"])) == list(range(100, 105))
    assert not (few["upper"] or few["middle"] or few["lower"])
    some = find_levels(features, 2, n=12)
    assert [len(some[level]) for level in ("top", "upper", "middle", "lower")] == [12, 0, 0, 4]
    assert [e.value for e in some["top"]] == list(range(20, 8, -1))
    with pytest.raises(UserInputError):
        find_examples(features, 1, n=0)
    with pytest.raises(UserInputError, match="no feature 3"):
        find_examples(features, 3)


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_look_alikes_are_the_silent_tiles_that_were_planted(tmp_path: Path, dtype: type) -> None:
    rng = np.random.default_rng(0)
    width = 24
    direction = np.eye(width)[0]
    # The mean of the slide is ten times longer than what tells tiles apart.
    vectors = 10 * np.eye(width)[1] + 0.05 * rng.normal(size=(N, width))
    column = np.zeros(N)
    firing = rng.permutation(np.arange(0, N // 2, 4))[:60]
    planted = np.arange(N // 2, N, 90)[:6]
    # Longer along the mean, so that a cosine without centring would find these.
    decoys = np.arange(N // 2 + 30, N, 90)[:6]
    column[firing] = rng.random(60) + 1
    vectors[firing] += direction
    vectors[planted] += direction
    vectors[decoys] = 3 * vectors[firing[0]]
    valid = np.ones(N, bool)
    valid[5] = False
    vectors[5] = np.nan
    features = laid(tmp_path / "f", column[:, None], valid)
    given = vectors.astype(dtype)
    centred = CentredVectors.measure(given, valid, DIGESTS["embedding_digest"])
    found = find_examples(features, 0, n=6, vectors=centred)
    alike = found.levels["look-alikes"]
    assert sorted(tiles_of(alike)) == planted.tolist()
    top = tiles_of(found.levels["top"])
    less_mean = given.astype(float) - given[valid].astype(float).mean(axis=0)
    wanted = less_mean[top].mean(axis=0)
    for example in alike:
        x = less_mean[example.tile]
        cosine = x @ wanted / np.linalg.norm(x) / np.linalg.norm(wanted)
        assert example.value == 0 and example.similarity == pytest.approx(cosine, abs=1e-4)
    foreign = CentredVectors.measure(given, valid, "other")
    with pytest.raises(MismatchError):
        find_examples(features, 0, vectors=foreign)


def test_without_vectors_look_alikes_share_the_other_features(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    dense = rng.random((N, 20)) * (rng.random((N, 20)) < 0.2)
    dense[:, 0] = 0
    firing, planted = np.arange(0, 800, 41), np.arange(900, N, 101)
    pattern = np.array([0, 3, 0, 2, 1] + [0] * 15)
    dense[firing] = dense[planted] = pattern
    dense[firing, 0] = 50 + np.arange(firing.size)
    features = laid(tmp_path / "f", dense)
    found = find_examples(features, 0, n=planted.size)
    alike = found.levels["look-alikes"]
    assert sorted(tiles_of(alike)) == planted.tolist()
    assert [e.similarity for e in alike] == pytest.approx([1.0] * planted.size, abs=1e-6)
    assert "features" in found.look_alike_method


@pytest.mark.parametrize("spacing", ["linear", "log"])
def test_the_histogram_counts_every_firing_tile(spacing: str) -> None:
    values = np.random.default_rng(0).lognormal(size=5000).astype(np.float32)
    made = activation_histogram(values, 700, 25, spacing)  # type: ignore[arg-type]
    assert made.counts.sum() == made.n_firing == 5000 and made.counts.size == 25
    assert (made.n_tiles, made.n_silent) == (5700, 700)
    for i in (0, 7, 24):
        inside = (values >= made.edges[i]) & ((values < made.edges[i + 1]) | (i == 24))
        assert made.counts[i] == inside.sum()
    step = np.diff(made.edges if spacing == "linear" else np.log(made.edges))
    np.testing.assert_allclose(step, step[0], rtol=1e-6)
    assert dict(made.quantiles)[0.5] == pytest.approx(np.median(values))
    single = activation_histogram(np.full(3, 2.0), 1, 4, spacing)  # type: ignore[arg-type]
    assert single.counts.sum() == 3 and (np.diff(single.edges) > 0).all()
    assert activation_histogram(np.zeros(0), 9, 4).counts.size == 0
    with pytest.raises(UserInputError):
        activation_histogram(np.array([0.0, 1.0]), 0)


def test_the_percentile_counts_equal_values_half() -> None:
    values = np.array([0.1, 0.2, 0.2, 0.4], np.float32)
    assert [percentile_of(values, v) for v in (0.1, 0.2, 0.3, 0.4)] == [12.5, 50.0, 75.0, 87.5]
    with pytest.raises(UserInputError):
        percentile_of(values[:0], 0.1)
