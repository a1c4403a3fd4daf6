"""A slide table by command, and the correlations that use it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from desktop_app.store import Store
from tests.app.fixtures.chain import Made
from tests.app.fixtures.command_line import Commands, assert_refused


@pytest.fixture
def copy(chain: Made, tmp_path: Path) -> Path:
    shutil.copytree(chain.project, tmp_path / "project")
    return tmp_path / "project"


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Commands:
    return Commands(capsys)


def test_a_table_is_taken_in_and_patients_are_shown_only_when_asked_for(
    run: Commands, copy: Path, tmp_path: Path
) -> None:
    table = tmp_path / "slides.csv"
    table.write_text(
        "slide,Patient ID,Scanner\nfield,Jane Doe,Argus\nelsewhere,John,Boreal\n", encoding="utf-8"
    )
    said = run("slides", "import", table, "--project", copy)
    assert said.code == 0 and "1" in said.out and "Jane" not in said.out
    listed = run("slides", "list", "--project", copy)
    assert "Patient ID, Scanner" in listed.out and "0.5 um/px" in listed.out and "Jane" not in listed.out
    assert "Jane" not in str(run("slides", "list", "--project", copy, "--json").data)
    assert "Patient ID Jane Doe" in run("slides", "list", "--project", copy, "--values").out


def test_patients_and_scanners_of_the_table_reach_the_correlations_and_no_export(
    run: Commands, copy: Path, tmp_path: Path
) -> None:
    table = tmp_path / "slides.csv"
    table.write_text("slide,Patient ID,Scanner\nfield.tiff,Jane Doe,Argus\n", encoding="utf-8")
    assert run("slides", "import", table, "--project", copy).code == 0
    words = (
        "correlate",
        "--project",
        copy,
        "--bootstraps",
        20,
        "--permutations",
        19,
        "--no-baselines",
        "--json",
    )
    said = run(*words, "--covariates", "scanner,tissue", "--method", "pearson", "--name", "given")
    assert said.code == 0, said.err
    assert said.data["meta"]["statistics"] == ["pearson", "partial"]
    assert any("the same in all tiles" in note for note in said.data["meta"]["notes"])
    assert run("export", "correlations", "--project", copy, "--out", tmp_path / "c.json").code == 0
    assert "Jane" not in (tmp_path / "c.json").read_text(encoding="utf-8")
    refused = run(*words, "--covariates", "hospital")
    assert_refused(refused, "hospital", "cellularity")
    refused = run(*words, "--cluster", "patient", "--method", "kendall")
    assert_refused(refused, "kendall", "spearman")


def test_human_interpretable_features_take_part(run: Commands, copy: Path) -> None:
    words = (
        "correlate",
        "--project",
        copy,
        "--bootstraps",
        20,
        "--permutations",
        19,
        "--no-baselines",
        "--json",
    )
    said = run(*words, "--targets", "cells,hif", "--method", "pearson,log_pearson")
    names, counted = said.data["meta"]["type_names"], said.data["meta"]["is_count"]
    assert dict(zip(names, counted, strict=True))["Tumour"] is True
    assert dict(zip(names, counted, strict=True))["haematoxylin, mean of tile (OD)"] is False
    with Store.open(copy) as store:
        arrays = store.correlations.arrays(said.data["id"])
    stain = names.index("haematoxylin, mean of tile (OD)")
    assert abs(arrays["pearson/value"][:, stain][arrays["pearson/reason"][:, stain] == 0]).max() > 0.1
    reasons = said.data["meta"]["reasons"]
    assert reasons[int(arrays["log_pearson/reason"][:, stain].max())] == "not a count"
    refused = run(*words, "--targets", "genes")
    assert_refused(refused, "genes", "tile values")


def test_bad_tables_are_refused(run: Commands, copy: Path, tmp_path: Path) -> None:
    assert_refused(run("slides", "import", tmp_path / "no.csv", "--project", copy), "no.csv", "path")
    (tmp_path / "one.csv").write_text("slide\nfield\n", encoding="utf-8")
    assert_refused(run("slides", "import", tmp_path / "one.csv", "--project", copy), "nothing of its slides")
