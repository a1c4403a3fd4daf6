import numpy as np

from sae_backend.statistics.resampling_units import TilePlaces, form_clusters


def square(n, tile_um=100.0, start=0):
    rows, cols = (a.ravel() + start for a in np.mgrid[0:n, 0:n])
    return TilePlaces(rows.astype(np.int64), cols.astype(np.int64), tile_um)


NOTHING = TilePlaces(np.empty(0, np.int64), np.empty(0, np.int64), 100.0)


def test_five_slides_are_the_units():
    clusters = form_clusters([square(2), square(3), NOTHING, square(2), square(1), square(2)], 1000)
    assert clusters.unit == "slide" and clusters.notes == ()
    assert clusters.sizes.tolist() == [4, 9, 4, 1, 4]
    assert clusters.can_judge


def test_blocks_stand_in_where_one_slide_is_nearly_all():
    slides = [square(20), *(square(2) for _ in range(6))]
    clusters = form_clusters(slides, 500)
    assert clusters.kind == "block"
    assert "One of the 7 slides holds 94% of the tiles: blocks stand in" in clusters.notes[0]
    asked = form_clusters(slides, 500, "slide")
    assert asked.n_clusters == 7 and not asked.can_judge
    assert form_clusters([square(8), *(square(3) for _ in range(6))], 500).can_judge


def test_one_slide_is_cut_into_blocks_of_the_wished_edge():
    clusters = form_clusters([square(40, start=7)], 1000)
    assert clusters.unit == "block of 1 mm" and clusters.sizes.tolist() == [100] * 16
    assert "Only 1 slide:" in clusters.notes[0] and "nothing is shown" in clusters.notes[0]
    assert len(clusters.notes) == 1
    first = clusters.order[:100]
    rows, cols = np.divmod(first, 40)
    assert set(rows) == set(range(10)) == set(cols)


def test_blocks_shrink_to_the_largest_edge_that_gives_eight():
    clusters = form_clusters([square(14, tile_um=112.0)], 1000)
    # 7 tiles give 4 blocks, 6 and 5 give 9.
    assert clusters.unit == "block of 0.672 mm" and clusters.n_clusters == 9
    assert any("too narrow" in note for note in clusters.notes)


def test_blocks_of_several_slides_stay_apart():
    clusters = form_clusters([square(20), NOTHING, square(20, tile_um=50.0)], 1000)
    assert clusters.n_clusters >= 8
    slide = (clusters.order >= 400).astype(int)
    bounds = np.concatenate([[0], np.cumsum(clusters.sizes)])
    for k in range(clusters.n_clusters):
        assert len(set(slide[bounds[k] : bounds[k + 1]])) == 1
    assert (np.diff(clusters.stratum) >= 0).all() and set(clusters.stratum) == {0, 2}


def test_an_edge_is_never_below_one_tile():
    clusters = form_clusters([square(2, tile_um=2000.0)], 1000)
    assert clusters.unit == "block of 2 mm" and clusters.n_clusters == 4


def test_a_huge_edge_is_no_work():
    assert form_clusters([square(10)], 1e12).n_clusters >= 8


def test_no_tiles():
    clusters = form_clusters([NOTHING], 1000)
    assert clusters.n_clusters == 0 and clusters.order.size == 0
