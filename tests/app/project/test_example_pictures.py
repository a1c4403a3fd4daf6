"""Where the pictures of examples come from: the small pictures, or the slide while they are not made."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from desktop_app.project.features.example_pictures import (
    context_picture,
    level_pictures,
    look_alike_pictures,
    sources_of,
)
from desktop_app.store import Store
from sae_backend.slides.slide import Slide
from sae_backend.slides.thumbnails import write_thumbnails
from tests.app.fixtures.fakes import SAE_DIGEST, add_analysis, write_slide

MPP = 0.5


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made = Store.create(tmp_path / "project", author="tester")
    for name, size in (("a.tif", (700, 900)), ("b.tif", (500, 800))):
        with Slide.open(write_slide(tmp_path / name, *size), MPP) as slide:
            add_analysis(made, made.slides.add(slide.info).id, slide)
    return made


def test_both_slides_give_the_strongest_and_some_of_each_level(store: Store) -> None:
    sources = sources_of(store, SAE_DIGEST)
    assert [source.name for source in sources] == ["a.tif", "b.tif"]
    levels = level_pictures(sources, 4)
    values = [picture.value for picture in levels["top"]]
    both = np.concatenate([source.features.column(4)[1] for source in sources])
    assert values == sorted(values, reverse=True) and values[0] == pytest.approx(float(both.max()))
    assert {picture.slide for picture in levels["random"]} == {"a.tif", "b.tif"}
    for pictures in levels.values():
        for picture in pictures:
            source = sources[0 if picture.slide == "a.tif" else 1]
            tiles, column = source.features.column(4)
            assert column[tiles == picture.tile][0] == pytest.approx(picture.value)


def test_pixels_are_those_of_the_tile_with_and_without_small_pictures(store: Store, tmp_path: Path) -> None:
    (source, _) = sources_of(store, SAE_DIGEST)
    (picture, *_) = level_pictures([source], 4)["top"]
    assert picture.rgb.shape == (100, 100, 3)
    y, x = source.features.grid.origins_l0()[picture.tile].astype(int)
    assert picture.rgb[3, 5].tolist() == pytest.approx([(y + 3) % 256, (x + 5) % 256, 200], abs=1)
    assert context_picture(source, picture.tile) is None
    with Slide.open(tmp_path / "a.tif", MPP) as slide:
        write_thumbnails(slide, source.features.grid, store.cache_dir)
    (source, _) = sources_of(store, SAE_DIGEST)
    (small, *_) = level_pictures([source], 4)["top"]
    assert small.tile == picture.tile
    assert np.abs(small.rgb.astype(int) - picture.rgb).mean() < 25, "the same picture, as JPEG"
    inner = int(np.flatnonzero((source.features.grid.rows == 2) & (source.features.grid.cols == 2))[0])
    around = context_picture(source, inner)
    assert around is not None and around.shape == (300, 300, 3)
    np.testing.assert_array_equal(around[100:200, 100:200], source.thumbnails().rgb(inner))


def test_look_alikes_are_silent_tiles(store: Store) -> None:
    sources = sources_of(store, SAE_DIGEST)
    pictures, method = look_alike_pictures(sources, 4)
    assert pictures and method
    for picture in pictures:
        source = sources[0 if picture.slide == "a.tif" else 1]
        assert picture.tile not in source.features.column(4)[0] and picture.value == 0
    likeness = [picture.similarity for picture in pictures]
    assert likeness == sorted(likeness, reverse=True)


def test_a_slide_without_its_cache_is_left_out(store: Store) -> None:
    folder = sources_of(store, SAE_DIGEST)[0].features.folder
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
    assert [source.name for source in sources_of(store, SAE_DIGEST)] == ["b.tif"]
