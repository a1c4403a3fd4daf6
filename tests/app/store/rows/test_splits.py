"""Splits: kept, chosen, extended, never drawn anew."""

from __future__ import annotations

from dataclasses import replace

import pytest

from desktop_app.store import Store
from sae_backend.errors import StoreError, UserInputError


def test_a_split_comes_back_and_one_is_current(store: Store) -> None:
    first = store.splits.add("", "patient", 7, {"P1": "choose", "P2": "report"})
    second = store.splits.add(" by slide ", "slide", 0, {})
    assert (first.name, first.unit, first.seed, first.author) == ("Split 1", "patient", 7, "Ada")
    assert first.assignments == {"P1": "choose", "P2": "report"}
    assert second.name == "by slide"
    assert store.splits.current() == second
    assert store.splits.choose(first.id) == first
    with Store.open(store.folder) as again:
        assert again.splits.current() == first
        assert again.splits.all() == [first, second]
        third = again.splits.add("", "block", 1, {})
        assert again.splits.current() == third and third.name == "Split 3"


def test_a_split_is_extended_and_never_changed(store: Store) -> None:
    split = store.splits.add("", "patient", 7, {"P1": "choose"})
    more = store.splits.extend(split.id, {"P2": "report", "P1": "choose"})
    assert more == replace(split, assignments={"P1": "choose", "P2": "report"})
    with pytest.raises(StoreError, match="P2") as caught:
        store.splits.extend(split.id, {"P3": "choose", "P2": "choose"})
    assert caught.value.hint
    assert store.splits.all() == [more]


def test_what_is_no_split_is_refused(store: Store) -> None:
    split = store.splits.add("", "patient", 7, {})
    for act in (
        lambda: store.splits.add("", "centre", 0, {}),
        lambda: store.splits.add("", "slide", 0, {"P1": "both"}),
        lambda: store.splits.extend(split.id, {"P1": ""}),
    ):
        with pytest.raises(UserInputError):
            act()
    assert store.splits.all() == [split]
