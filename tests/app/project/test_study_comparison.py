"""Two runs of a study set against each other, on the command line and as values."""

from __future__ import annotations

import csv
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from desktop_app.cli.main import main
from desktop_app.export.study import report_of
from desktop_app.project.studies.compare import ComparedRun, compare_studies
from desktop_app.store import NewStudy, Store, StudyRecord
from sae_backend.errors import UserInputError
from tests.app.fixtures.command_line import Commands, assert_refused
from tests.app.fixtures.inline_backend import InlineBackend
from tests.app.fixtures.vector_project import WorldChoice, make_project

_BY = 0.125


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a run of the slides, and one like it whose differences are larger by a known amount."""
    folder = tmp_path_factory.mktemp("compared") / "project"
    make_project(folder, WorldChoice(n_tiles=36, n_draws=20, baselines=False))
    assert main(["study", "slides", "--project", str(folder), "--fact", "site"], InlineBackend) == 0
    with Store.open(folder) as store:
        _add(store, store.studies.all()[0])
    return folder


@pytest.fixture
def project(made: Path) -> Path:
    folder = made.with_name("copy")
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(made, folder)
    return folder


def _add(store: Store, like: StudyRecord, **changes: Any) -> StudyRecord:
    """Another run, whose differences of groups are larger by `_BY`, without the first feature."""
    arrays = dict(store.studies.arrays(like.id))
    arrays["group/difference"] = arrays["group/difference"] + _BY
    arrays["shared"] = arrays["shared"] - _BY
    new = NewStudy(like.kind, like.sae_digest, like.request, like.sets, like.meta, arrays, cells=like.cells)
    return store.studies.add(replace(new, **changes))


def _compared(store: Store, first: StudyRecord, second: StudyRecord) -> Any:
    runs = [ComparedRun(one, store.studies.arrays(one.id), report_of(store, one)) for one in (first, second)]
    return compare_studies(*runs)


def test_rows_that_both_runs_have_differ_by_the_known_amount(project: Path) -> None:
    with Store.open(project) as store:
        found = _compared(store, *store.studies.all())
    table = next(one for one in found.rows if one.key == "difference-slides-difference")
    assert "24 rows in both" in table.title
    difference = np.array(table.columns["difference · difference"])
    np.testing.assert_allclose(difference, -_BY)
    same = [value for value in table.columns["effect (SD) · difference"] if value is not None]
    assert same and not any(same)
    # Each row is the same feature in both, and leads to it.
    own = dict(zip(table.columns["feature"], table.columns["difference · Run 1"], strict=True))
    with Store.open(project) as store:
        arrays = store.studies.arrays(store.studies.all()[0].id)
    for feature, value in own.items():
        assert value == arrays["group/difference"][feature]
    assert [target.feature for target in table.targets] == table.columns["feature"]
    assert any("has no interval" in note for note in found.notes)


def test_the_numbers_that_sum_up_both_runs_stand_beside_each_other(project: Path) -> None:
    with Store.open(project) as store:
        found = _compared(store, *store.studies.all())
    numbers = dict(zip(found.numbers.columns["number"], found.numbers.columns["difference"], strict=True))
    assert numbers["slides"] == 0
    assert numbers["most alike slide has the same site"] == pytest.approx(_BY)
    assert not found.settings.n_rows


def test_runs_of_other_saes_get_no_difference_of_features(project: Path) -> None:
    with Store.open(project) as store:
        first = store.studies.all()[0]
        sets = [{**one, "model": {**one["model"], "sae_digest": "0" * 64}} for one in first.sets]
        other = _add(store, first, sets=sets, sae_digest="0" * 64)
        found = _compared(store, first, other)
    keys = {table.key for table in found.tables}
    assert "difference-slides-difference" not in keys and "difference-slides-profiles" in keys
    said = next(note for note in found.notes if "site 0 against site 1" in note)
    assert "the SAEs differ (7ec7ec7e and 00000000)" in said
    assert ("SAE", "7ec7ec7e", "00000000") in list(zip(*found.settings.columns.values(), strict=True))


def test_settings_that_change_what_a_number_means_are_told_and_not_subtracted(project: Path) -> None:
    with Store.open(project) as store:
        first = store.studies.all()[0]
        request = {**first.request, "spec": {**first.request["spec"], "measure": "rate"}}
        found = _compared(store, first, _add(store, first, request=request))
    assert "difference-slides-difference" not in {table.key for table in found.rows}
    assert any("where “measure” differs" in note for note in found.notes)
    assert ("measure", "mean", "rate") in list(zip(*found.settings.columns.values(), strict=True))


def test_two_runs_are_compared_by_command(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, out = Commands(capsys), tmp_path / "out"
    said = run("study", "compare", "--project", project, "--run", 1, "--with", "Run 2", "--out", out)
    assert said.code == 0, said
    assert "both were made in the same way" in said.out and "has no interval" in said.out
    assert "most alike slide has the same site" in said.out
    with (out / "difference-slides-difference.csv").open(encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    np.testing.assert_allclose([float(row["difference · difference"]) for row in rows], -_BY)
    assert len(list(out.glob("difference*.csv"))) >= 5 and (out / "difference.json").is_file()
    data = run("study", "compare", "--project", project, "--run", 1, "--with", 2, "--json").data
    assert [one["id"] for one in data["runs"]] == [1, 2]
    assert_refused(run("study", "compare", "--project", project, "--run", 1, "--with", 1), "with itself")
    assert_refused(
        run("study", "compare", "--project", project, "--run", 1, "--with", 9), "No study is called"
    )


def test_runs_of_different_studies_are_refused(project: Path) -> None:
    with Store.open(project) as store:
        first = store.studies.all()[0]
        other = _add(store, first, kind="geometry")
        with pytest.raises(UserInputError, match="Geometry, Run 1, are different studies"):
            compare_studies(*(ComparedRun(one, {}, None) for one in (first, other)))  # type: ignore[arg-type]
