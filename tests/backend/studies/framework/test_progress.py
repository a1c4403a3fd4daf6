"""Long work on pairs of features and on set against set says that it goes on, so that it can be ended."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from sae_backend.errors import CancelledError
from sae_backend.studies.geometry.coactivation_chance import scrambled
from sae_backend.studies.geometry.feature_pairs import PairRules, describe_pairs
from sae_backend.studies.methods.cell_types.monosemanticity_score import alikeness
from sae_backend.studies.methods.matching.chance_tiles import arrangements
from sae_backend.studies.methods.matching.cross_products import Columns
from sae_backend.studies.methods.matching.pair_sums import pair_sums
from sae_backend.studies.methods.matching.random_dictionary import RandomDictionaries
from sae_backend.studies.methods.matching.set_comparison import shared_r
from sae_backend.studies.methods.matching.shared_tiles import shared_halves
from sae_backend.studies.robustness.tiles import raw_means
from tests.backend.studies.test_domain import two_cohorts


class Ends:
    """Counts calls, and raises at one of them."""

    def __init__(self, at: int = 0) -> None:
        self.n, self.at = 0, at

    def __call__(self) -> None:
        self.n += 1
        if self.n == self.at:
            raise CancelledError("Stopped.", "Start again.")


@pytest.fixture(scope="module")
def inputs():
    return two_cohorts()


@pytest.fixture(scope="module")
def halves(inputs):
    return shared_halves(inputs, (0,))


def test_sums_of_many_pairs_can_be_ended(halves) -> None:
    tiles, _ = halves
    columns = Columns(tiles.activations(0))
    rng = np.random.default_rng(0)
    pairs = rng.integers(columns.n_features, size=(2, 2000))
    seen = Ends()
    whole = pair_sums(columns, columns, tuple(pairs), tiles.clusters, seen)
    assert seen.n == 4
    by_hand = np.corrcoef(columns.by_tile.toarray().T)[pairs[0], pairs[1]]
    np.testing.assert_allclose(whole.r(), by_hand, atol=1e-9)
    with pytest.raises(CancelledError):
        pair_sums(columns, columns, tuple(pairs), tiles.clusters, Ends(3))


def test_naming_pairs_can_be_ended(halves) -> None:
    sides = [(some, some.firing()) for some in (Columns(tiles.activations(0)) for tiles in halves)]
    found = np.arange(5), np.arange(5, 10), np.ones((2, 5), np.bool_), 5
    clusters = tuple(tiles.clusters for tiles in halves)
    seen = Ends()
    describe_pairs(tuple(sides), clusters, found, None, PairRules(0.8, 0.9, 20, 0, seen))
    for at in range(1, seen.n + 1):
        with pytest.raises(CancelledError):
            describe_pairs(tuple(sides), clusters, found, None, PairRules(0.8, 0.9, 20, 0, Ends(at)))


def test_set_against_set_can_be_ended(inputs) -> None:
    seen = Ends()
    two = type(inputs)(inputs.slides, [inputs.sets[0], inputs.sets[0]], inputs.type_names, inputs.halves)
    assert shared_r(two, (0, 1), 1, seen) == pytest.approx(1.0)
    assert seen.n >= 4
    for at in range(1, seen.n + 1):
        with pytest.raises(CancelledError):
            shared_r(two, (0, 1), 1, Ends(at))


def test_how_alike_tiles_are_can_be_ended_at_every_slide(inputs) -> None:
    calls: list[tuple] = []
    two = type(inputs)(inputs.slides, [inputs.sets[0], inputs.sets[0]], inputs.type_names, inputs.halves)
    alikeness(two, 0, 1, lambda *said: calls.append(said))
    # Least values and scores of the features, ends and scores of the dimensions, and all pairs.
    assert len(calls) >= 5 * len(two.slides)
    assert all(done <= total for _, done, total in calls)


def test_mean_vectors_are_those_of_all_tiles_and_can_be_ended_at_every_slide(inputs) -> None:
    seen: list[int] = []
    slides = range(len(inputs.slides))
    found = raw_means(inputs, slides, lambda done, _: seen.append(done))
    np.testing.assert_allclose(
        found, [v.mean(axis=0, dtype=float) for v in inputs.sets[0].vectors], atol=1e-6
    )
    assert seen == list(slides)


def test_reading_and_scrambling_features_can_be_ended(halves) -> None:
    tiles, _ = halves
    seen = Ends()
    columns = Columns(tiles.activations(0, seen))
    assert seen.n == len(tiles.tiles.parts)
    assert columns.by_tile.indices.dtype == columns.by_tile.indptr.dtype == np.int32
    assert columns.by_feature.indices.dtype == columns.only(np.arange(2)).by_tile.indices.dtype == np.int32
    ways = arrangements(tiles, 7, 0)
    again = Ends()
    rows = np.arange(columns.n_rows)
    moved = scrambled(columns, ways, rows, np.arange(columns.n_features), again)
    assert again.n == ways.n == 7
    assert moved.n_rows == columns.n_rows and moved.n_features == columns.n_features
    with pytest.raises(CancelledError):
        scrambled(columns, ways, rows, np.arange(columns.n_features), Ends(7))


def test_a_random_dictionary_holds_no_more_than_what_fires() -> None:
    n_tiles, n_features = 20_000, 300
    vectors = np.random.default_rng(0).standard_normal((n_tiles, 8)).astype(np.float32)
    dictionaries = RandomDictionaries(vectors, np.full(n_features, 20))
    tracemalloc.start()
    try:
        drawn = dictionaries.draw((0,))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (drawn.n_active == 20).all()
    # A place of every tile for every feature would be 8 bytes each, 48 MB.
    assert peak < 256 * n_tiles * 4 * 1.7
