"""A study is a folder and a line: window, command line, checks, comparison, feature table and report follow from it."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import pytest
from PySide6.QtWidgets import QComboBox, QDoubleSpinBox, QSpinBox
from pytestqt.qtbot import QtBot

from desktop_app.app import WindowStart, open_start
from desktop_app.store import Store
from desktop_app.widgets.studies.studies import RESULT
from sae_backend.compute.dispatch import run as run_job
from sae_backend.studies.framework import registry
from sae_backend.worker.requests import Done, StudyRequest
from tests.app.conftest import Parts
from tests.app.fixtures.command_line import Commands, assert_refused
from tests.app.fixtures.vector_project import WorldChoice, make_project
from tests.waiting import wait_until


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rates") / "project"
    make_project(folder, WorldChoice(n_tiles=64, n_draws=20, baselines=False))
    return folder


@pytest.fixture
def project(made: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project of a program that has one study more."""
    monkeypatch.setattr(registry, "PACKAGES", (*registry.PACKAGES, "tests.worlds.toy_study"))
    folder = made.with_name("copy")
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(made, folder)
    return folder


@pytest.mark.gl
def test_the_form_drives_it_to_its_report(project: Path, parts: Parts, qtbot: QtBot) -> None:
    open_start(parts.desktop, WindowStart(project=project))
    with Store.open(project) as store:
        first = store.slides.all()[0].id
    parts.controller.projects.open_record(first)
    panel = parts.window.studies
    parts.window.show_panel("Studies")
    panel.choose("rates")
    wait_until(lambda: "12 slides" in panel.has.text(), qtbot)
    assert panel.question.text() == "In which share of the tiles does each feature fire?"
    fields = {setting.title: widget for setting, widget in panel.form._fields.values()}
    assert list(fields) == ["Part slides by", "Least rate", "Seed", "Most features"]
    by, least, most = fields["Part slides by"], fields["Least rate"], fields["Most features"]
    assert isinstance(by, QComboBox) and by.currentData() == "site"
    assert isinstance(least, QDoubleSpinBox) and (least.value(), least.maximum()) == (0.05, 0.5)
    assert isinstance(most, QSpinBox) and (most.minimum(), most.value(), most.maximum()) == (2, 8, 20)
    assert "smaller share" in least.toolTip()
    least.setValue(0.01)
    most.setValue(3)
    panel.start.click()
    wait_until(lambda: any(isinstance(one, StudyRequest) for one in parts.backend.requests.values()), qtbot)
    job, request = next(
        (job, one) for job, one in parts.backend.requests.items() if isinstance(one, StudyRequest)
    )
    assert request.spec == {"by": "site", "least_rate": 0.01, "most": 3, "seed": 0}
    parts.backend.events.append(Done(job, run_job(request)))
    wait_until(lambda: parts.controller.studies.view is not None, qtbot)
    assert panel.pages.currentIndex() == RESULT
    assert "Firing rates: " in panel.result.words.toPlainText()
    assert "3 features of slides from site 0" in panel.result.words.toPlainText()
    view = parts.controller.studies.view
    assert view is not None and view.report.tables[0].n_rows == 3


def test_the_command_line_drives_it_to_its_report(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Commands(capsys)
    with pytest.raises(SystemExit):
        run("study", "rates", "--help")
    words = capsys.readouterr().out
    assert "In which share of the tiles does each feature fire?" in words
    assert "--by COLUMN" in words and "--least-rate RATE" in words and "(default: 0.05)" in words
    ask = ("study", "rates", "--project", project)
    assert_refused(run(*ask, "--least-rate", "0.7"), "least rate cannot be 0.7", "Use 0 to 0.5")
    assert_refused(run(*ask, "--by", "ward"), "No slide has a value in the column 'ward'")
    out = tmp_path / "out"
    said = run(*ask, "--most", 4, "--least-rate", "0.01", "--name", "Four", "--out", out)
    assert said.code == 0 and "4 features of slides from site 0" in said.out, said
    with (out / "rates.csv").open(encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    document = json.loads((out / "study.json").read_text(encoding="utf-8"))
    assert len(rows) == 4 and document["request"]["spec"]["most"] == 4 and (out / "rates.svg").exists()
    assert run(*ask, "--name", "Eight").code == 0
    compared = run("study", "compare", "--project", project, "--run", "Eight", "--with", "Four", "--json")
    assert compared.code == 0
    tables = compared.data["tables"]
    assert dict(zip(*list(tables["difference-settings"]["columns"].values())[:2], strict=True)) == {
        "least rate": "0.05", "most": "8",
    }  # fmt: skip
    assert tables["difference-numbers"]["columns"]["difference"] == [0.0]
    assert tables["difference-rates"]["columns"]["feature"][0] == int(rows[0]["feature"])
    table = tmp_path / "features.csv"
    assert run("export", "features", "--project", project, "--out", table).code == 0
    with table.open(encoding="utf-8-sig") as file:
        listed = {row["feature"]: row["study: Rate over 768 tiles"] for row in csv.DictReader(file)}
    assert float(listed[rows[0]["feature"]]) == float(rows[0]["rate"])
    page = tmp_path / "report.html"
    assert run("report", "--project", project, "--out", page).code == 0
    assert f"Feature {rows[0]['feature']} fires most." in page.read_text(encoding="utf-8")
