from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from desktop_app.session import Session
from desktop_app.store import Store
from sae_backend.slides.slide import Slide
from tests.app.fixtures.fakes import N_FEATURES, add_analysis, small_features, small_grid, write_slide


@pytest.fixture
def project(tmp_path: Path) -> Iterator[tuple[Store, Slide]]:
    path = write_slide(tmp_path / "field.tif")
    with Store.create(tmp_path / "project") as store, Slide.open(path, 0.5) as slide:
        yield store, slide


def test_a_feature_survives_a_change_of_slide_and_the_tile_does_not(
    project: tuple[Store, Slide], tmp_path: Path
) -> None:
    store, slide = project
    session = Session()
    heard: list[object] = []
    session.feature_changed.connect(heard.append)
    record = store.slides.add(slide.info)
    analysis = add_analysis(store, record.id, slide)
    features = small_features(tmp_path / "f", small_grid(slide))
    session.set_slide(slide, record)
    session.set_analysis(analysis, features)
    session.set_feature(4)
    session.set_feature(4)
    session.set_tile(2)
    assert heard == [4]
    session.set_slide(slide, record)
    assert (session.feature, session.tile, session.features) == (4, -1, None)


def test_a_feature_that_does_not_exist_is_not_chosen(project: tuple[Store, Slide], tmp_path: Path) -> None:
    _, slide = project
    session = Session()
    session.set_feature(1)
    assert session.feature is None
    session.set_analysis(None, small_features(tmp_path / "f", small_grid(slide)))
    session.set_feature(N_FEATURES)
    assert session.feature is None
    session.set_feature(N_FEATURES - 1)
    assert session.feature == N_FEATURES - 1


def test_a_feature_number_does_not_pass_to_another_autoencoder(
    project: tuple[Store, Slide], tmp_path: Path
) -> None:
    _, slide = project
    session = Session()
    grid = small_grid(slide)
    session.set_analysis(None, small_features(tmp_path / "f", grid))
    session.set_feature(4)
    session.set_analysis(None, small_features(tmp_path / "g", grid, sae_digest="0b" * 12))
    assert session.feature is None
