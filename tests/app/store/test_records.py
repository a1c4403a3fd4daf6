"""Slides, SAEs and analyses."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from desktop_app.store import NewAnalysis, Store
from sae_backend.cells.table import CellImport
from sae_backend.errors import PixelSizeError, StoreError
from sae_backend.slides.slide import SlideInfo

MakeInfo = Callable[..., SlideInfo]
MakeAnalysis = Callable[..., NewAnalysis]


def test_a_slide_is_found_by_id_path_and_fingerprint(store: Store, slide_info: MakeInfo) -> None:
    record = store.add_slide(slide_info())
    assert (record.name, record.path) == ("example.svs", Path("/slides/example.svs"))
    assert (record.height_px, record.width_px, record.mpp, record.mpp_source) == (3000, 2000, 0.5, "file")
    assert store.slide(record.id) == record
    assert store.slide_by_path(Path("/slides/x/../example.svs")) == record
    assert store.slide_by_fingerprint("f" * 40) == record
    assert store.slides() == [record]
    assert store.slide_by_path(Path("/slides/other.svs")) is None
    assert store.slide_by_fingerprint("0") is None


def test_a_slide_that_moved_keeps_its_id(store: Store, slide_info: MakeInfo) -> None:
    first = store.add_slide(slide_info())
    moved = store.add_slide(slide_info(path=Path("/archive/renamed.svs")))
    assert moved == replace(first, path=Path("/archive/renamed.svs"), name="renamed.svs")
    assert store.slide_by_path(first.path) is None


def test_a_copy_does_not_take_the_place_of_a_slide_that_is_there(
    store: Store, slide_info: MakeInfo, tmp_path: Path
) -> None:
    original, copy = tmp_path / "a.svs", tmp_path / "copy.svs"
    original.touch()
    first = store.add_slide(slide_info(path=original))
    assert store.add_slide(slide_info(path=copy)) == first
    assert store.add_slide(slide_info(path=copy, mpp=0.3, mpp_source="user")).mpp == 0.3
    assert store.slide(first.id).path == original
    original.unlink()
    assert store.add_slide(slide_info(path=copy)).path == copy


def test_the_pixel_size_of_the_user_outlives_the_files(store: Store, slide_info: MakeInfo) -> None:
    slide = store.add_slide(slide_info(mpp=None, mpp_source="unknown"))
    assert slide.mpp is None
    stated = store.set_mpp(slide.id, 0.25)
    assert (stated.mpp, stated.mpp_source) == (0.25, "user")
    assert store.add_slide(slide_info(mpp=0.5, mpp_source="file")).mpp == 0.25
    assert store.add_slide(slide_info(mpp=0.4, mpp_source="user")).mpp == 0.4


@pytest.mark.parametrize("mpp", [0.0, -1.0, math.nan, 1e9])
def test_an_impossible_pixel_size_is_not_stored(store: Store, slide_info: MakeInfo, mpp: float) -> None:
    slide = store.add_slide(slide_info())
    with pytest.raises(PixelSizeError):
        store.set_mpp(slide.id, mpp)
    assert store.slide(slide.id) == slide


def test_unknown_ids_are_refused(store: Store, new_analysis: MakeAnalysis, cell_import: CellImport) -> None:
    for act in (
        lambda: store.slide(9),
        lambda: store.set_mpp(9, 0.5),
        lambda: store.set_current_analysis(9),
        lambda: store.add_analysis(new_analysis(9)),
        lambda: store.add_cells(9, cell_import),
        lambda: store.choose_cells(9),
        lambda: store.imported_cells(9),
        lambda: store.cell_edits(9),
        lambda: store.add_cell_edits(9, []),
        lambda: store.correlation_rows(9),
        lambda: store.correlation_arrays(9),
        lambda: store.correlation(9),
        lambda: store.rename_correlation(9, "x"),
        lambda: store.choose_split(9),
        lambda: store.extend_split(9, {}),
    ):
        with pytest.raises(StoreError):
            act()
    assert store.cells(9) is None and store.cell_imports(9) == [] and store.analyses() == []
    assert store.raw_cells(9) is None and store.current_cells(9) is None and store.cells_version(9) == ""
    assert store.tile_values(9) is None and store.current_split() is None and store.splits() == []


def test_an_sae_is_renewed_under_its_digest(store: Store) -> None:
    first = store.add_sae("s1", Path("/saes/one"), {"layer": 3, "dims": [64, 512]})
    assert first.folder == Path("/saes/one") and first.card == {"layer": 3, "dims": [64, 512]}
    store.add_sae("s2", Path("/saes/two"), {})
    moved = store.add_sae("s1", Path("/else/one"), {"layer": 4})
    assert moved == replace(first, folder=Path("/else/one"), card={"layer": 4})
    assert store.sae("s1") == moved and store.sae("s3") is None
    assert [sae.digest for sae in store.saes()] == ["s1", "s2"]


def test_an_analysis_comes_back_whole(store: Store, slide_info: MakeInfo, new_analysis: MakeAnalysis) -> None:
    slide = store.add_slide(slide_info())
    record = store.add_analysis(new_analysis(slide.id, sae_digest="s1", feature_folder="features/1"))
    assert record.is_control is True
    assert record.tile_spec == {"tile_px": 224, "tile_mpp": 0.5}
    assert record.counts == {"ok": 12, "missing": 1}
    assert (record.sae_digest, record.feature_folder, record.layer) == ("s1", "features/1", 3)
    assert store.analyses() == [record] and store.analyses(slide.id + 1) == []


def test_the_same_analysis_made_again_is_one(
    store: Store, slide_info: MakeInfo, new_analysis: MakeAnalysis
) -> None:
    slide = store.add_slide(slide_info())
    first = store.add_analysis(new_analysis(slide.id))
    encoded = store.add_analysis(new_analysis(slide.id, sae_digest="s1", feature_folder="f"))
    again = store.add_analysis(new_analysis(slide.id, counts={"ok": 13}))
    assert again == replace(first, counts={"ok": 13})
    assert [a.id for a in store.analyses()] == [first.id, encoded.id]


def test_the_current_analysis_is_the_last_one_with_features(
    store: Store, slide_info: MakeInfo, new_analysis: MakeAnalysis
) -> None:
    assert store.current_analysis() is None
    one = store.add_slide(slide_info())
    two = store.add_slide(slide_info(fingerprint="2" * 40))
    plain = store.add_analysis(new_analysis(one.id))
    assert store.current_analysis() == plain
    full = store.add_analysis(new_analysis(one.id, sae_digest="s1", feature_folder="f1"))
    later = store.add_analysis(new_analysis(two.id))
    assert store.current_analysis() == full
    assert store.current_analysis(two.id) == later
    assert store.current_analysis(99) is None


def test_a_chosen_analysis_stays_current_until_another_is_made(
    store: Store, slide_info: MakeInfo, new_analysis: MakeAnalysis
) -> None:
    slide = store.add_slide(slide_info())
    made = [
        store.add_analysis(new_analysis(slide.id, sae_digest=sae, feature_folder=folder))
        for sae, folder in (("s1", "f1"), ("s2", "f2"), (None, None))
    ]
    for choice in made:
        store.set_current_analysis(choice.id)
        assert store.current_analysis() == choice
    newest = store.add_analysis(new_analysis(slide.id, sae_digest="s3", feature_folder="f3"))
    assert store.current_analysis(slide.id) == newest
