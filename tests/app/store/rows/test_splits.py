"""Splits: kept, chosen, extended, never drawn anew."""

from __future__ import annotations

from dataclasses import replace

import pytest

from desktop_app.store import Store
from sae_backend.errors import StoreError, UserInputError


def test_a_split_comes_back_and_one_is_current(store: Store) -> None:
    first = store.add_split("", "patient", 7, {"P1": "choose", "P2": "report"})
    second = store.add_split(" by slide ", "slide", 0, {})
    assert (first.name, first.unit, first.seed, first.author) == ("Split 1", "patient", 7, "Ada")
    assert first.assignments == {"P1": "choose", "P2": "report"}
    assert second.name == "by slide"
    assert store.current_split() == second
    assert store.choose_split(first.id) == first
    with Store.open(store.folder) as again:
        assert again.current_split() == first
        assert again.splits() == [first, second]
        third = again.add_split("", "block", 1, {})
        assert again.current_split() == third and third.name == "Split 3"


def test_a_split_is_extended_and_never_changed(store: Store) -> None:
    split = store.add_split("", "patient", 7, {"P1": "choose"})
    more = store.extend_split(split.id, {"P2": "report", "P1": "choose"})
    assert more == replace(split, assignments={"P1": "choose", "P2": "report"})
    with pytest.raises(StoreError, match="P2") as caught:
        store.extend_split(split.id, {"P3": "choose", "P2": "choose"})
    assert caught.value.hint
    assert store.splits() == [more]


def test_what_is_no_split_is_refused(store: Store) -> None:
    split = store.add_split("", "patient", 7, {})
    for act in (
        lambda: store.add_split("", "centre", 0, {}),
        lambda: store.add_split("", "slide", 0, {"P1": "both"}),
        lambda: store.extend_split(split.id, {"P1": ""}),
    ):
        with pytest.raises(UserInputError):
            act()
    assert store.splits() == [split]
