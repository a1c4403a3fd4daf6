"""Which tile of one unit comes to lie on which of another, against a loop over tiles."""

from dataclasses import replace

import numpy as np

from sae_backend.statistics.permutation.arrangements import exchange
from sae_backend.statistics.permutation.unit_layout import unit_layout
from sae_backend.statistics.slide_parts import assemble
from tests.worlds.correlation import independent_maps, laid_rows, part


def laid_out(parts):
    tiles = assemble(parts, 2, 1000.0, "auto")
    rows, cols = (
        tiles.gather([np.asarray(getattr(p, name), np.int64) for p in tiles.parts])
        for name in ("rows", "cols")
    )
    return tiles, unit_layout(tiles.clusters, rows, cols)


def test_units_of_all_shapes_are_laid_place_by_place():
    rng = np.random.default_rng(0)
    parts = [
        replace(independent_maps(rng, side=side, n_features=2)[0], slide=f"slide {side}")
        for side in (4, 5, 7, 9, 12)
    ]
    tiles, layout = laid_out(parts)
    orders = exchange(tiles.clusters, layout, 6, rng)
    for order, sources in zip(orders.orders, orders.sources(0, 6), strict=True):
        for source, (start, near) in zip(sources, laid_rows(parts, order), strict=True):
            assert source - start in near


def test_a_unit_laid_on_itself_stays_where_it_is():
    rng = np.random.default_rng(1)
    parts = [replace(independent_maps(rng, side=8, n_features=2)[0], slide=f"slide {s}") for s in range(5)]
    tiles, layout = laid_out(parts)
    found = exchange(tiles.clusters, layout, 1, rng)
    same = replace(found, orders=np.arange(5)[None])
    np.testing.assert_array_equal(same.sources(0, 1)[0], np.arange(tiles.n_rows))


def test_slides_of_a_patient_are_laid_on_slides():
    rng = np.random.default_rng(2)
    parts = []
    for patient in range(5):
        for s in range(1 + patient % 2):
            made = part(rng.random((9, 2)), rng.poisson(2, (9, 2)), f"slide {patient} {s}")
            parts.append(replace(made, patient=f"patient {patient}"))
    tiles, layout = laid_out(parts)
    assert layout.partner[:, 1].tolist() == [1, 1, 2, 1, 1, 2, 1]
    order = np.array([1, 0, 3, 2, 4])
    found = replace(exchange(tiles.clusters, layout, 1, rng), orders=order[None]).sources(0, 1)[0]
    # Rows 0 to 8 are the one slide of the first patient, 9 to 26 the two of the second.
    np.testing.assert_array_equal(found[:9], np.arange(9, 18))
    np.testing.assert_array_equal(found[9:27], np.tile(np.arange(9), 2))


def test_only_units_that_agree_change_places():
    rng = np.random.default_rng(3)
    parts = [
        replace(part(rng.random((4, 2)), rng.poisson(2, (4, 2)), f"slide {s}"), facts={"site": "AB"[s % 2]})
        for s in range(8)
    ]
    tiles, layout = laid_out(parts)
    alike = tiles.alike(("site",))
    assert alike.tolist() == [0, 1] * 4
    found = exchange(tiles.clusters, layout, 50, rng, alike)
    assert (found.orders % 2 == np.arange(8) % 2).all() and len(np.unique(found.orders, axis=0)) > 20
    assert np.isclose(np.exp(found.log_possible), 24**2)
    assert exchange(tiles.clusters, layout, 50, rng, np.arange(8)) is None
