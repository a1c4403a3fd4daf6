"""Studies in the store: kept whole, never overwritten, clusters named with all earlier names."""

from __future__ import annotations

import numpy as np
import pytest

from desktop_app.store import NewStudy, Store
from sae_backend.errors import MismatchError, StoreError, UserInputError


def a_study(kind: str = "geometry", **changes: object) -> NewStudy:
    known = {
        "sae_digest": "sae-1",
        "request": {"spec": {"seed": 3}, "slides": [{"name": "a.tif"}]},
        "sets": [{"title": "current", "feature_dirs": ["features/1"]}],
        "meta": {"n_tiles": 12, "n_patients": 2},
        "arrays": {"cluster": np.array([0, 0, -1]), "r": np.array([[0.5, np.nan]])},
    }
    return NewStudy(kind, **{**known, **changes})


def test_a_study_is_read_back_as_it_was_stored(store: Store) -> None:
    added = store.studies.add(a_study(name="First look", cells={"f": "1"}))
    assert (added.kind, added.name, added.sae_digest) == ("geometry", "First look", "sae-1")
    assert added.request["spec"] == {"seed": 3} and added.sets[0]["feature_dirs"] == ["features/1"]
    assert (added.meta["n_patients"], added.cells, added.author) == (2, {"f": "1"}, store.author)
    arrays = store.studies.arrays(added.id)
    np.testing.assert_array_equal(arrays["cluster"], [0, 0, -1])
    np.testing.assert_array_equal(arrays["r"], [[0.5, np.nan]])
    assert set(store.studies.arrays(added.id, ["r", "nothing"])) == {"r"}


def test_studies_without_a_name_are_numbered_within_their_kind(store: Store) -> None:
    names = [store.studies.add(a_study(kind)).name for kind in ("geometry", "depth", "geometry")]
    assert names == ["Run 1", "Run 1", "Run 2"]
    assert [study.name for study in store.studies.all("geometry")] == ["Run 1", "Run 2"]
    assert len({study.uid for study in store.studies.all()}) == 3


def test_a_study_is_renamed_but_not_to_nothing(store: Store) -> None:
    added = store.studies.add(a_study())
    assert store.studies.rename(added.id, " Clusters of June ").name == "Clusters of June"
    with pytest.raises(UserInputError, match="no name"):
        store.studies.rename(added.id, "  ")
    with pytest.raises(StoreError, match="no such study"):
        store.studies.rename(99, "x")


def test_what_is_not_a_number_is_refused_and_nothing_is_stored(store: Store) -> None:
    with pytest.raises(MismatchError, match="does not hold numbers"):
        store.studies.add(a_study(arrays={"names": np.array(["a"])}))
    assert store.studies.all() == []


def test_clusters_keep_every_name_they_had(store: Store) -> None:
    added = store.studies.add(a_study())
    for name in ("Glands", "Gland lining", "Nests"):
        store.studies.name_cluster(added.id, "directions 2" if name == "Nests" else "directions 0", name)
    assert store.studies.cluster_names(added.id) == {"directions 0": "Gland lining", "directions 2": "Nests"}
    store.studies.name_cluster(added.id, "directions 2", "")
    assert store.studies.cluster_names(added.id) == {"directions 0": "Gland lining"}
    history = store.studies.cluster_name_history(added.id)
    assert [one.name for one in history] == ["Glands", "Gland lining", "Nests", ""]
    assert all(one.author == store.author and one.at for one in history)
    with pytest.raises(StoreError):
        store.studies.name_cluster(99, "directions 0", "x")
