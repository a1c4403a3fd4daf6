"""What a correlation asks for: names and halves that stay, and nothing left behind."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from desktop_app.project.correlation.jobs import _kept_split, _split_used, _target_names, slide_labels
from desktop_app.project.correlation.options import CELLS, TILE_VALUES, CorrelateOptions
from desktop_app.store import Store
from sae_backend.errors import CellsError
from tests.app.fixtures.chain import Made
from tests.app.fixtures.command_line import Commands, assert_refused


def slides(*names: str) -> Any:
    found = [SimpleNamespace(id=number, name=name) for number, name in enumerate(names, 1)]
    return SimpleNamespace(slides=SimpleNamespace(all=lambda: found))


def sources(n: int, *, patients: bool = True) -> list[Any]:
    return [
        SimpleNamespace(
            slide=f"slide {s}", patient=f"patient {s}" if patients else "", valid=np.ones(300, bool)
        )
        for s in range(n)
    ]


def test_two_files_of_one_name_are_told_apart_whatever_else_takes_part() -> None:
    assert slide_labels(slides("a.svs", "b.svs", "a.svs", "a.svs (2)", "a.svs")) == {
        1: "a.svs", 2: "b.svs", 3: "a.svs (2)", 4: "a.svs (2) (2)", 5: "a.svs (3)",
    }  # fmt: skip


def test_a_run_on_few_slides_does_not_make_the_next_draw_patients_anew(tmp_path: Path) -> None:
    with Store.create(tmp_path / "p") as store:
        assert _kept_split(store, sources(12)) is None
        whole = store.splits.add("", "patient", 3, {f"patient {s}": "choose" for s in range(12)})
        assert _kept_split(store, sources(12)).id == whole.id
        assert _kept_split(store, sources(3)).id == whole.id, "nothing of this unit is kept yet"
        cut = store.splits.add("", "block", 3, {"slide 0": "choose"})
        assert _kept_split(store, sources(3)).id == cut.id
        assert _kept_split(store, sources(12)).id == whole.id
        assert store.splits.current().id == whole.id
        assert _kept_split(store, sources(12, patients=False)).id == whole.id


def test_a_run_has_the_split_that_it_was_made_with(tmp_path: Path) -> None:
    with Store.create(tmp_path / "p") as store:
        sides = {"P1": "choose", "P2": "report"}
        first = store.splits.add("", "patient", 3, sides)
        halves = {"unit": "patient", "seed": 3, "assignments": dict(sides)}
        store.splits.add("", "patient", 4, {"P1": "report", "P2": "choose"})
        store.splits.extend(first.id, {"P3": "choose"})
        assert _split_used(store, halves) == first.id, "another came into force while it ran"
        assert _split_used(store, {**halves, "seed": 5}) is None
        assert _split_used(store, {}) is None


def test_a_column_that_is_called_like_a_cell_type_is_refused() -> None:
    source: Any = SimpleNamespace(
        table=SimpleNamespace(type_names=("Tumour",), measures={}), values=SimpleNamespace(names=("Tumour",))
    )
    options = CorrelateOptions(targets=(CELLS, TILE_VALUES))
    with pytest.raises(CellsError, match="'Tumour' is a column") as caught:
        _target_names([source], options)
    assert "Rename" in caught.value.hint
    names, counted, _ = _target_names([source], CorrelateOptions(targets=(TILE_VALUES,)))
    assert (names, counted) == (("Tumour",), (False,))


def test_a_run_that_fails_leaves_no_files(
    chain: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(chain.project, tmp_path / "project")
    run = Commands(capsys)
    refused = run("correlate", "--project", tmp_path / "project", "--covariates", "hospital")
    assert_refused(refused, "hospital", "cellularity")
    with Store.open(tmp_path / "project") as store:
        assert list((store.cache_dir / "correlations").iterdir()) == []
    refused = run("correlate", "--project", tmp_path / "project", "--targets", "tile values")
    assert_refused(refused, "values of its tiles", "Import a table")
    refused = run("correlate", "--project", tmp_path / "project", "--method", "partial")
    assert_refused(refused, "needs covariates", "--covariates cellularity")
