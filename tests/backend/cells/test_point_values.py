"""Numbers of places: the mean in each tile, and several sources in one table."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sae_backend.cells.point_values import TileValues, join_tile_values
from sae_backend.errors import MismatchError
from sae_backend.slides.tiles import TileGrid, TileSpec

NAN = np.nan


def grid() -> TileGrid:
    """Tiles of 10 px in two rows of three, the last of which is not kept."""
    rows, cols = np.array([0, 0, 0, 1, 1], np.int32), np.array([0, 1, 2, 0, 1], np.int32)
    return TileGrid(
        "s", 0.5, TileSpec(32), 10.0, 10.0, (0.0, 0.0), (2, 3), rows, cols, np.ones(5, np.float32)
    )


def values() -> TileValues:
    """Two places in tile 4, one each in tiles 0 and 2, one outside, one where no tile was kept."""
    return TileValues(
        np.array([15.0, 5.0, 12.0, 500.0, 5.0, 15.0]),
        np.array([15.0, 5.0, 11.0, 5.0, 29.0, 25.0]),
        ("a", "b", "c"),
        np.array(
            [[1, 2, NAN], [3, NAN, 1], [5, NAN, NAN], [100, 100, 100], [7, 8, 9], [50, 50, 50]], np.float32
        ),
        "one.csv",
        "1" * 64,
        ("n1",),
    )


def test_a_tile_has_the_mean_of_its_places(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = np.array([[3, NAN, 1], [NAN] * 3, [7, 8, 9], [NAN] * 3, [3, 2, NAN]])
    found = values().values_on(grid())
    assert found.dtype == np.float64
    np.testing.assert_array_equal(found, expected)
    monkeypatch.setattr("sae_backend.cells.point_values._COLUMNS_AT_ONCE", 2)
    np.testing.assert_array_equal(values().values_on(grid()), expected)


def test_places_that_are_in_no_tile_say_nothing() -> None:
    given = values()
    far = replace(given, y_l0=given.y_l0 + 1000)
    assert np.isnan(far.values_on(grid())).all() and far.values_on(grid()).shape == (5, 3)
    none = TileValues(np.zeros(0), np.zeros(0), (), np.zeros((0, 0), np.float32), "n", "0")
    assert none.values_on(grid()).shape == (5, 0)


def test_sources_of_the_same_places_share_their_rows() -> None:
    one = values()
    two = replace(one, names=("b", "d", "e"), values=one.values + 1, source_name="two.csv", notes=("n2",))
    joined = join_tile_values([one, two])
    assert joined.names == ("a", "b", "c", "b (two.csv)", "d", "e")
    np.testing.assert_array_equal(joined.values, np.hstack([one.values, two.values]))
    assert (joined.source_name, joined.notes) == ("one.csv, two.csv", ("n1", "n2"))
    assert len(joined.source_sha256) == 64 and joined.source_sha256 != one.source_sha256
    assert join_tile_values([one]) is one


def test_sources_of_other_places_do_not_mix() -> None:
    one = values()
    other = TileValues(np.array([5.0]), np.array([5.5]), ("a",), np.array([[9]], np.float32), "two.csv", "2")
    third = replace(other, names=("x",), source_name="three.csv")
    joined = join_tile_values([one, other, third])
    assert joined.values.shape == (7, 5) and joined.names[3:] == ("a (two.csv)", "x")
    assert np.isnan(joined.values[:6, 3:]).all() and np.isnan(joined.values[6, :3]).all()
    found = joined.values_on(grid())
    np.testing.assert_array_equal(found[:, :3], one.values_on(grid()))
    np.testing.assert_array_equal(found[0], [3, NAN, 1, 9, 9])


def test_names_stay_unique_and_nothing_cannot_be_joined() -> None:
    one = values()
    again = join_tile_values([one, one, one])
    assert again.names[3:] == (
        "a (one.csv)", "b (one.csv)", "c (one.csv)", "a (one.csv, 2)", "b (one.csv, 2)", "c (one.csv, 2)",
    )  # fmt: skip
    with pytest.raises(MismatchError):
        join_tile_values([])


@pytest.mark.parametrize(
    "changes", [{"x_l0": np.zeros(5)}, {"names": ("a", "b")}, {"names": ("a", "a", "b")}]
)
def test_what_does_not_fit_together_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(MismatchError):
        replace(values(), **changes)
