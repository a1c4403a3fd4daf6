"""Regions from elsewhere: all or none, known ones untouched, withdrawn ones put in again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from desktop_app.store import Store
from desktop_app.store.records.records import RegionRecord
from sae_backend.errors import StoreError, UserInputError
from sae_backend.slides.slide import SlideInfo

RING = ((0.0, 0.0), (0.0, 10.0), (10.0, 10.0))


def record(uid: str, slide_id: int, name: str = "") -> RegionRecord:
    return RegionRecord(uid * 32, slide_id, name, "polygon", ((RING,),), "Grace", "2026-01-01T00:00:00+00:00")


def test_regions_of_a_file_are_added_once_and_undone_together(
    store: Store, slide_info: Callable[..., SlideInfo]
) -> None:
    slide = store.slides.add(slide_info())
    one, two = record("1", slide.id, " nest "), record("2", slide.id)
    assert [region.name for region in store.regions.merge([one, two])] == ["nest", ""]
    assert [region.author for region in store.regions.all(slide.id)] == ["Grace", "Grace"]
    assert store.regions.merge([replace(one, name="other"), two]) == []
    assert store.regions.all(slide.id)[0].name == "nest"
    store.regions.withdraw([one.uid, two.uid])
    assert store.regions.all(slide.id) == []
    (back,) = store.regions.merge([replace(one, name="other")])
    assert back.name == "nest" and store.regions.all(slide.id) == [back]


def test_all_or_none(store: Store, slide_info: Callable[..., SlideInfo]) -> None:
    slide = store.slides.add(slide_info())
    one = record("1", slide.id)
    with pytest.raises(UserInputError):
        store.regions.merge([one, replace(record("2", slide.id), polygons_l0=(((RING[0],),),))])
    with pytest.raises(StoreError):
        store.regions.merge([one, record("2", 99)])
    assert store.regions.all() == []
    store.regions.merge([one])
    with pytest.raises(StoreError, match="no such region"):
        store.regions.withdraw([one.uid, "0"])
    assert store.regions.all(slide.id) == [one]
