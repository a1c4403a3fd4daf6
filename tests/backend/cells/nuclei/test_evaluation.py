"""Matching detected and reference nuclei, one to one."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

from sae_backend.cells.table import CellTable
from sae_backend.errors import UserInputError
from tests.backend.cells.nuclei.evaluation import count_errors, match_nuclei, score_nuclei


def table(yx: np.ndarray, kinds: list[int], names: tuple[str, ...]) -> CellTable:
    return CellTable(yx[:, 0].copy(), yx[:, 1].copy(), np.array(kinds, np.uint16), names)


def best_by_trying(detected: np.ndarray, reference: np.ndarray, radius: float) -> tuple[int, float]:
    """Most pairs, and the smallest sum of distances with so many, by trying all assignments."""
    apart = np.linalg.norm(detected[:, None] - reference[None], axis=2)
    best = (0, 0.0)
    for chosen in itertools.permutations(range(len(reference) + len(detected)), len(detected)):
        pairs = [(i, j) for i, j in enumerate(chosen) if j < len(reference) and apart[i, j] <= radius]
        total = -sum(apart[pair] for pair in pairs)
        best = max(best, (len(pairs), total))
    return best[0], -best[1]


@pytest.mark.parametrize("seed", range(6))
def test_the_matching_is_the_best_there_is(seed: int) -> None:
    rng = np.random.default_rng(seed)
    detected, reference = rng.uniform(0, 9, (4, 2)), rng.uniform(0, 9, (4, 2))
    match = match_nuclei(detected, reference, 4.0)
    n, total = best_by_trying(detected, reference, 4.0)
    assert match.n_pairs == n
    assert match.distance_um.sum() == pytest.approx(total)
    assert len(set(match.detected.tolist())) == len(set(match.reference.tolist())) == n


def test_one_detection_answers_one_nucleus() -> None:
    # The nearest pair first would leave the last nucleus without a partner.
    detected = np.array([[0.0, 0.0], [0.0, 3.0]])
    reference = np.array([[0.0, 2.0], [0.0, 6.5]])
    match = match_nuclei(detected, reference)
    assert sorted(zip(match.detected.tolist(), match.reference.tolist(), strict=True)) == [(0, 0), (1, 1)]
    twice = match_nuclei(np.zeros((3, 2)), np.zeros((1, 2)))
    assert (twice.n_pairs, twice.precision, twice.recall, twice.f1) == (1, 1 / 3, 1.0, 0.5)


def test_many_nuclei_far_from_the_origin() -> None:
    rng = np.random.default_rng(1)
    y, x = np.mgrid[0:100, 0:100].reshape(2, -1) * 10.0 + 50_000
    reference = np.stack([y, x], axis=1)
    detected = rng.permutation(reference)[:9000] + rng.uniform(-2, 2, (9000, 2))
    match = match_nuclei(detected, reference)
    assert (match.n_pairs, match.precision, match.recall) == (9000, 1.0, 0.9)


def test_nothing_matches_nothing() -> None:
    none, one = np.empty((0, 2)), np.zeros((1, 2))
    assert match_nuclei(none, one).recall == 0 and np.isnan(match_nuclei(none, one).precision)
    assert match_nuclei(one, none).f1 == 0 and np.isnan(match_nuclei(none, none).f1)
    assert match_nuclei(one, one + 10).n_pairs == 0
    with pytest.raises(UserInputError, match="radius of 0"):
        match_nuclei(one, one, 0)


def test_tables_are_matched_in_um_and_counted_by_type() -> None:
    yx = np.array([[10.0, 10.0], [50.0, 50.0], [90.0, 90.0]])
    reference = table(yx, [0, 0, 1], ("a", "b"))
    detected = table(yx + 10.0, [0, 1, 1], ("b", "c"))
    assert score_nuclei(detected, reference, 0.25).n_pairs == 3
    assert score_nuclei(detected, reference, 0.5).n_pairs == 0
    counts = {count.name: count for count in count_errors(detected, reference)}
    assert list(counts) == ["a", "b", "c"]
    assert (counts["a"].error, counts["b"].error) == (-1.0, 0.0) and np.isnan(counts["c"].error)
    typed = replace(detected, type_index=np.zeros(3, np.uint16))
    assert next(c for c in count_errors(typed, reference) if c.name == "b").error == 2.0
