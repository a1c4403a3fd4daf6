"""Measures of outlines against forms whose values are known."""

import numpy as np
import pytest

from sae_backend.cells.outlines import SHAPE_MEASURES, measure_shapes, with_shapes
from sae_backend.cells.table import CellTable, Outlines


def outlines(*rings):
    sizes = [len(ring) for ring in rings]
    yx = np.concatenate([np.asarray(ring, np.float32).reshape(-1, 2) for ring in rings])
    return Outlines(np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64), yx)


def ellipse(a, b, angle=0.0, centre=(0.0, 0.0), n=400):
    t = np.linspace(0, 2 * np.pi, n, endpoint=False)
    x, y = a * np.cos(t), b * np.sin(t)
    return (
        np.stack([x * np.sin(angle) + y * np.cos(angle), x * np.cos(angle) - y * np.sin(angle)], 1) + centre
    )


@pytest.mark.parametrize("angle", [0.0, 0.7, np.pi / 2])
@pytest.mark.parametrize("centre", [(0.0, 0.0), (50_000.0, 80_000.0)])
@pytest.mark.parametrize("mpp", [1.0, 0.25])
def test_ellipses(angle, centre, mpp):
    a, b = 20.0, 12.0
    found = measure_shapes(outlines(ellipse(a, b, angle, centre)), mpp)
    tolerance = 1e-3 if centre[0] else 3e-4
    # Ramanujan's second approximation of the perimeter.
    h = ((a - b) / (a + b)) ** 2
    perimeter = np.pi * (a + b) * (1 + 3 * h / (10 + np.sqrt(4 - 3 * h)))
    expected = {
        "area_um2": np.pi * a * b * mpp**2, "perimeter_um": perimeter * mpp, "major_um": 2 * a * mpp,
        "minor_um": 2 * b * mpp, "eccentricity": np.sqrt(1 - (b / a) ** 2), "solidity": 1.0,
    }  # fmt: skip
    assert set(found) == set(expected) == set(SHAPE_MEASURES)
    for name, value in expected.items():
        # The rounding of far coordinates to float32 makes a smooth outline jagged, and a little longer.
        assert found[name][0] == pytest.approx(value, rel=max(tolerance, 5e-3 * (centre[0] > 0))), name
        assert found[name].dtype == np.float32


def test_squares_and_an_l():
    square = [[0, 0], [0, 4], [4, 4], [4, 0]]
    corner = [[0, 0], [0, 2], [1, 2], [1, 1], [2, 1], [2, 0]]
    found = measure_shapes(outlines(square, square[::-1], corner), 0.5)
    assert found["area_um2"].tolist() == pytest.approx([4, 4, 0.75])
    assert found["perimeter_um"].tolist() == pytest.approx([8, 8, 4])
    assert found["eccentricity"].tolist()[:2] == pytest.approx([0, 0], abs=1e-3)
    # A square of side s has second moments s^2 / 12.
    assert found["major_um"].tolist()[:2] == pytest.approx([4 * 4 * 0.5 / np.sqrt(12)] * 2)
    assert found["solidity"].tolist() == pytest.approx([1, 1, 3 / 3.5])


def test_what_has_no_area_has_no_measures():
    line, bow = [[0, 0], [1, 1], [2, 2]], [[0, 0], [2, 2], [2, 0], [0, 2]]
    found = measure_shapes(outlines([], [[1, 1]], [[0, 0], [3, 3]], line, bow, [[0, 0], [0, 4], [4, 4]]), 1.0)
    for name in SHAPE_MEASURES:
        assert np.isnan(found[name][:5]).all() and np.isfinite(found[name][5]), name


def test_many_cells_are_measured_in_blocks(monkeypatch):
    rings = [ellipse(5 + i % 3, 4, n=8) for i in range(10)] + [[]]
    whole = measure_shapes(outlines(*rings), 0.5)
    monkeypatch.setattr("sae_backend.cells.outlines._BLOCK_CELLS", 3)
    for name, values in measure_shapes(outlines(*rings), 0.5).items():
        np.testing.assert_array_equal(values, whole[name])


def cells(given=None, with_outlines=True):
    rings = outlines([[0, 0], [0, 4], [4, 4], [4, 0]]) if with_outlines else None
    return CellTable(np.zeros(1), np.zeros(1), np.zeros(1, np.uint16), ("A",), given or {}, rings)


def test_measures_join_those_of_the_file():
    measured = with_shapes(cells({"area_um2": np.float32([7]), "odd": np.float32([1])}), 0.5).measures
    assert (
        measured["area_um2"].tolist() == [7]
        and measured["perimeter_um"].tolist() == [8]
        and "odd" in measured
    )
    assert set(with_shapes(cells(), None).measures) == {"eccentricity", "solidity"}
    assert with_shapes(cells(with_outlines=False), 0.5).measures == {}
