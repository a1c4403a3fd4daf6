"""What a study found is kept whole, steps are made once, and what is damaged is made anew."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sae_backend.errors import CacheError
from sae_backend.studies.framework.result import Checkpoints, StudyResult
from sae_backend.studies.framework.storage import read_result, write_result


def test_texts_travel_with_what_is_said_and_come_back_as_arrays() -> None:
    found = StudyResult(
        {"r": np.array([0.5, np.nan]), "why": np.array("too few"), "each": np.array(["a", ""])}, {"n": 3}
    )
    arrays, meta = found.as_stored()
    assert set(arrays) == {"r"} and meta["n"] == 3
    again = StudyResult.from_stored(arrays, meta)
    assert str(again.arrays["why"]) == "too few" and list(again.arrays["each"]) == ["a", ""]
    assert again.meta == {"n": 3}


def test_a_result_is_read_back_and_a_damaged_one_refused(tmp_path: Path) -> None:
    write_result(tmp_path, StudyResult({"r": np.array([1.0, np.nan])}, {"names": ["a"]}))
    again = read_result(tmp_path)
    np.testing.assert_array_equal(again.arrays["r"], [1.0, np.nan])
    assert again.meta == {"names": ["a"]}
    (tmp_path / "arrays.npz").write_bytes(b"PK\x03\x04 cut off")
    with pytest.raises(CacheError, match="missing or damaged"):
        read_result(tmp_path)


def test_a_step_is_made_once_and_a_damaged_one_again(tmp_path: Path) -> None:
    made: list[int] = []

    def make() -> dict[str, np.ndarray]:
        made.append(1)
        return {"values": np.arange(3)}

    for _ in range(2):
        np.testing.assert_array_equal(Checkpoints(tmp_path / "steps").get("one", make)["values"], [0, 1, 2])
    assert len(made) == 1
    (tmp_path / "steps" / "one.npz").write_bytes(b"not whole")
    Checkpoints(tmp_path / "steps").get("one", make)
    Checkpoints(None).get("one", make)
    assert len(made) == 3
