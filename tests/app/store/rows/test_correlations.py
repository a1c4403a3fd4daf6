"""Runs of correlations: arrays and rows come back, names, and what is refused."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from desktop_app.store import CorrelationRow, NewAnalysis, NewCorrelation, Store
from sae_backend.errors import MismatchError, StoreError, UserInputError
from sae_backend.slides.slide import SlideInfo

META: dict[str, Any] = {
    "n_tiles": 400,
    "n_slides": 1,
    "n_clusters": 25,
    "unit": "block of 1 mm",
    "method": "block bootstrap",
    "notes": ["one slide only"],
    "type_names": ["Tumor", "Immune"],
    "statistics": ["pearson", "spearman"],
    "reasons": ["", "constant feature"],
}
NAN = float("nan")


def arrays() -> dict[str, Any]:
    """Three features against two types; the second feature is constant, the third is open for Immune."""
    r = np.array([[0.5, -0.25], [NAN, NAN], [0.125, NAN]])
    return {
        "pearson/value": r,
        "pearson/ci_low": (r - 0.25).astype(np.float32),
        "pearson/p": np.where(np.isnan(r), np.inf, 0.01),
        "spearman/value": r / 2,
        "reason": np.array([[0, 0], [1, 1], [0, 0]], np.uint8),
        "n_active": np.arange(3),
    }


def new(**changes: Any) -> NewCorrelation:
    return replace(NewCorrelation("s1", (), {"seed": 0}, META, arrays()), **changes)


def test_a_run_comes_back_whole(
    store: Store, slide_info: Callable[..., SlideInfo], new_analysis: Callable[..., NewAnalysis]
) -> None:
    slide = store.slides.add(slide_info())
    one = store.analyses.add(new_analysis(slide.id))
    two = store.analyses.add(new_analysis(slide.id, sae_digest="s1"))
    split = store.splits.add("", "patient", 3, {"P1": "choose", "P2": "report"})
    given = new(
        analysis_ids=(two.id, one.id), cells={slide.fingerprint: "7-abc"}, split_id=split.id, name=" First "
    )
    record = store.correlations.add(given)
    assert (record.name, record.analysis_ids, record.spec, record.meta) == (
        "First",
        (two.id, one.id),
        {"seed": 0},
        META,
    )
    assert (record.cells, record.split_id) == ({slide.fingerprint: "7-abc"}, split.id)
    with Store.open(store.folder) as again:
        assert again.correlations.get(record.id) == record
        found = again.correlations.arrays(record.id)
        assert set(found) == set(arrays()) == set(again.correlations.array_names(record.id))
        for name, array in arrays().items():
            assert found[name].dtype == array.dtype and not found[name].flags.writeable
            np.testing.assert_array_equal(found[name], array)
        assert list(again.correlations.arrays(record.id, ["n_active"])) == ["n_active"]
        with pytest.raises(StoreError, match="no kendall/value"):
            again.correlations.arrays(record.id, ["kendall/value"])


def test_rows_come_by_statistic_feature_and_type(store: Store) -> None:
    record = store.correlations.add(new())
    rows = store.correlations.rows(record.id)
    assert [(row.statistic, row.feature, row.cell_type, row.value) for row in rows] == [
        ("pearson", 0, "Tumor", 0.5),
        ("pearson", 0, "Immune", -0.25),
        ("pearson", 1, "Tumor", None),
        ("pearson", 1, "Immune", None),
        ("pearson", 2, "Tumor", 0.125),
        ("spearman", 0, "Tumor", 0.25),
        ("spearman", 0, "Immune", -0.125),
        ("spearman", 1, "Tumor", None),
        ("spearman", 1, "Immune", None),
        ("spearman", 2, "Tumor", 0.0625),
    ]
    assert rows[0] == CorrelationRow(
        0, "Tumor", 400, 1, "pearson", 0.5, 0.25, None, 0.01, None, "block bootstrap", "block of 1 mm"
    )
    assert rows[2] == CorrelationRow(
        1, "Tumor", 400, 1, "pearson", None, None, None, None, None, "block bootstrap", "block of 1 mm",
        "constant feature",
    )  # fmt: skip
    assert store.correlations.rows(record.id, feature=2) == [row for row in rows if row.feature == 2]
    assert store.correlations.rows(record.id, statistic="spearman", feature=0) == rows[5:7]
    assert (
        store.correlations.rows(record.id, feature=3) == store.correlations.rows(record.id, feature=-1) == []
    )
    assert store.correlations.rows(record.id, statistic="kendall") == []


def test_a_statistic_may_have_reasons_and_numbers_of_tiles_of_its_own(store: Store) -> None:
    own = {
        "spearman/reason": np.array([[1, 0], [0, 0], [0, 0]], np.uint16),
        "spearman/n_tiles": np.array([[NAN, 380], [NAN, NAN], [NAN, NAN]]),
    }
    record = store.correlations.add(new(arrays=arrays() | own))
    rows = store.correlations.rows(record.id, statistic="spearman")
    assert [(row.feature, row.cell_type, row.reason, row.n_tiles) for row in rows] == [
        (0, "Tumor", "constant feature", 400),
        (0, "Immune", "", 380),
        (2, "Tumor", "", 400),
    ]


def test_runs_are_named_and_none_is_overwritten(store: Store) -> None:
    first, second = store.correlations.add(new()), store.correlations.add(new())
    other = store.correlations.add(new(sae_digest="s2", arrays={}, meta={**META, "statistics": []}))
    assert [run.name for run in store.correlations.all()] == ["Run 1", "Run 2", "Run 3"]
    assert store.correlations.all() == [first, second, other]
    assert store.correlations.latest("s1") == second and store.correlations.latest("s3") is None
    assert store.correlations.rows(other.id) == [] and store.correlations.arrays(other.id) == {}
    renamed = store.correlations.rename(first.id, " lymphocytes ")
    assert renamed == replace(first, name="lymphocytes") == store.correlations.get(first.id)
    with pytest.raises(UserInputError):
        store.correlations.rename(first.id, "  ")
    for number in (1, 2, 3, 1, 2):
        assert len(store.correlations.rows(number)) == (0 if number == 3 else 10)


@pytest.mark.parametrize(
    ("meta", "changed"),
    [
        ({"unit": None}, {}),
        ({"statistics": []}, {}),
        ({"statistics": ["pearson", "kendall"]}, {}),
        ({"type_names": ["Tumor"]}, {}),
        ({"reasons": [""]}, {}),
        ({"reasons": ["none", "constant feature"]}, {}),
        ({}, {"pearson/p": np.zeros((2, 2))}),
        ({}, {"reason": np.zeros((3, 2))}),
        ({}, {"pearson/note": np.array(["a"])}),
    ],
)
def test_what_does_not_fit_together_is_not_stored(
    store: Store, meta: dict[str, Any], changed: dict[str, Any]
) -> None:
    with pytest.raises(MismatchError):
        store.correlations.add(new(meta={**META, **meta}, arrays=arrays() | changed))
    assert store.correlations.all() == []


@pytest.mark.parametrize("unknown", [{"analysis_ids": (99,)}, {"split_id": 99}])
def test_a_run_of_what_the_project_does_not_know_is_not_stored(store: Store, unknown: dict[str, Any]) -> None:
    with pytest.raises(StoreError):
        store.correlations.add(new(**unknown))
    assert store.correlations.all() == []


@pytest.mark.parametrize(
    "damage",
    [
        "data = x'00'",
        "data = substr(data, 1, 8)",
        "dtype = '|O8'",
        "dtype = 'nothing'",
        "shape = '[3, 3]'",
        "shape = '[1, 2]'",
        "part = 1",
    ],
)
def test_damage_is_reported(store: Store, damage: str) -> None:
    record = store.correlations.add(new())
    with closing(sqlite3.connect(store.folder / "project.sqlite")) as connection:
        connection.execute(f"UPDATE correlation_arrays SET {damage} WHERE name = 'pearson/p'")
        connection.commit()
    with pytest.raises(StoreError, match="damaged"):
        store.correlations.rows(record.id)
    assert store.correlations.rows(record.id, statistic="spearman")


def test_a_long_array_is_stored_in_parts(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("desktop_app.store.encoding.packed_arrays.PART_BYTES", 64)
    record = store.correlations.add(new(arrays=arrays() | {"more": np.arange(101.0)}))
    with closing(sqlite3.connect(store.folder / "project.sqlite")) as connection:
        (parts,) = connection.execute(
            "SELECT count(*) FROM correlation_arrays WHERE name = 'more'"
        ).fetchone()
    assert parts == 13
    np.testing.assert_array_equal(store.correlations.arrays(record.id, ["more"])["more"], np.arange(101.0))
