"""Types of nuclei from a few labels: what is learned, what is said of it, what is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sae_backend.cells.nuclei.classifier import descriptors, propose_types, train_types
from sae_backend.cells.nuclei.measures import FORM_MEASURES, STAIN_MEASURES
from sae_backend.cells.nuclei.tiling import NEIGHBOURS, NUCLEUS
from sae_backend.cells.table import CellImport, CellTable
from sae_backend.errors import MismatchError, UserInputError

NAMES = ("large", "pale", "small")


def nuclei(n: int = 300, seed: int = 0, dye: float = 1.0) -> tuple[CellTable, np.ndarray]:
    """Nuclei of three kinds that differ in area or density; `dye` is the strength of the slide's stain."""
    rng = np.random.default_rng(seed)
    kind = rng.integers(0, 3, n)
    measures = {name: rng.lognormal(0, 0.3, n) for name in (*FORM_MEASURES, *STAIN_MEASURES)}
    measures["area_um2"] = np.array([150.0, 60.0, 60.0])[kind] * rng.lognormal(0, 0.15, n)
    measures["mean_od"] = dye * np.array([1.5, 0.8, 1.6])[kind] * rng.lognormal(0, 0.15, n)
    measures[NEIGHBOURS] = rng.poisson(5, n)
    measures["ring_sd_od"][:3] = np.nan
    table = CellTable(
        rng.uniform(0, 500, n), rng.uniform(0, 500, n), np.zeros(n, np.uint16), (NUCLEUS,),
        {name: values.astype(np.float32) for name, values in measures.items()},
    )  # fmt: skip
    return table, kind


def labels_of(kind: np.ndarray, each: int = 25) -> dict[int, str]:
    return {int(cell): NAMES[k] for k in range(3) for cell in np.flatnonzero(kind == k)[:each]}


def test_types_are_learned_and_carry_over_to_a_slide_of_another_stain() -> None:
    table, kind = nuclei()
    model = train_types(table, labels_of(kind))
    assert model.type_names == NAMES and model.n_labels == 75
    for other, truth in ((table, kind), nuclei(seed=1, dye=2.5)):
        found = model.propose(other)
        assert (found.type_index == truth).mean() > 0.9
        assert found.probability.dtype == np.float32
        assert found.probability.min() > 1 / 3 and found.probability.max() <= 1
        sure = found.probability > np.median(found.probability)
        assert (found.type_index == truth)[sure].mean() >= (found.type_index == truth)[~sure].mean()


def test_scores_come_from_nuclei_that_the_model_had_not_seen() -> None:
    table, kind = nuclei()
    scores = train_types(table, labels_of(kind)).scores
    assert scores.n_folds == 5 and scores.confusion.sum() == 75
    np.testing.assert_array_equal(scores.confusion.sum(axis=1), [25, 25, 25])
    assert scores.balanced_accuracy > 0.85
    assert scores.baseline_balanced_accuracy == pytest.approx(1 / 3) == scores.baseline_accuracy
    for k, score in enumerate(scores.types):
        right = scores.confusion[k, k]
        assert score.name == NAMES[k] and score.n == 25
        assert score.recall == pytest.approx(right / 25)
        assert score.precision == pytest.approx(right / scores.confusion[:, k].sum())
        assert score.f1 == pytest.approx(
            2 * score.precision * score.recall / (score.precision + score.recall)
        )
    # Labels by chance: nothing can be learned, and the scores say so.
    rng = np.random.default_rng(99)
    chance = dict(zip(range(200), (NAMES[k] for k in rng.integers(0, 3, 200)), strict=True))
    assert abs(train_types(table, chance).scores.balanced_accuracy - 1 / 3) < 0.13


def test_the_same_labels_and_seed_give_the_same_model() -> None:
    table, kind = nuclei()
    labels = labels_of(kind)
    backwards = dict(reversed(labels.items()))
    first, again = train_types(table, labels, 3), train_types(table, backwards, 3)
    np.testing.assert_array_equal(first.classifier.weights, again.classifier.weights)
    np.testing.assert_array_equal(first.scores.confusion, again.scores.confusion)
    np.testing.assert_array_equal(first.propose(table).probability, again.propose(table).probability)


def test_two_types_are_enough() -> None:
    table, kind = nuclei()
    labels = {cell: name for cell, name in labels_of(kind, 8).items() if name != "pale"}
    model = train_types(table, labels)
    assert model.type_names == ("large", "small") and model.classifier.weights.shape[0] == 2
    true = kind[kind != 1] == 2
    assert ((model.propose(table).type_index == 1)[kind != 1] == true).mean() > 0.85


def test_too_few_labels_are_refused() -> None:
    table, kind = nuclei()
    with pytest.raises(UserInputError, match="large has 7, pale has 7, small has 7, and 8 of each"):
        train_types(table, labels_of(kind, 7))
    with pytest.raises(UserInputError, match="fewer than two types"):
        train_types(table, dict.fromkeys(range(20), "large"))
    with pytest.raises(UserInputError, match="fewer than two types"):
        train_types(table, {})
    with pytest.raises(UserInputError, match="no nucleus 300 among 300"):
        train_types(table, {300: "large", 0: "small"})


def test_cells_from_elsewhere_have_no_descriptors() -> None:
    table, kind = nuclei()
    assert np.isfinite(descriptors(table)).all()
    bare = replace(table, measures={"area_um2": table.measures["area_um2"]})
    with pytest.raises(MismatchError, match="no perimeter_um"):
        train_types(bare, labels_of(kind))


def test_proposals_are_marked_as_such() -> None:
    table, kind = nuclei()
    model = train_types(table, labels_of(kind))
    found = propose_types(CellImport(table, "s", "0", "detector", ("Found.",), {"version": 1}), model)
    assert found.table.type_names == NAMES and found.tool == "detector"
    np.testing.assert_array_equal(found.table.measures["probability"], model.propose(table).probability)
    assert found.notes[0] == "Found." and "proposals of a model trained on 75 labelled" in found.notes[1]
    assert found.assumed["version"] == 1 and found.assumed["proposed_types"]["n_labels"] == 75
