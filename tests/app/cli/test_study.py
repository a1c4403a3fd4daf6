"""Studies and the report on the command line: asked, kept, told again, written as files."""

from __future__ import annotations

import csv
import html
import html.parser
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from desktop_app.export.study import report_of
from desktop_app.project.studies.requirements import offer_of
from desktop_app.store import Store
from sae_backend.activations.embeddings import EmbeddingWriter
from sae_backend.studies.framework.registry import studies
from tests.app.fixtures.command_line import Commands, assert_refused
from tests.app.fixtures.vector_project import WorldChoice, make_project
from tests.backend.fixtures.activations import square_grid
from tests.backend.fixtures.runs import control_card


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("studies") / "project"
    make_project(folder, WorldChoice(n_tiles=64, n_draws=20, baselines=False))
    with Store.open(folder, author="Ada") as store:
        store.annotations.set(
            store.correlations.latest("7ec" * 8).sae_digest, 8, name="<Plasma> cells", concept="plasma cell"
        )
    return folder


@pytest.fixture
def project(made: Path) -> Path:
    """A copy beside the same slides."""
    folder = made.with_name("copy")
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(made, folder)
    return folder


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Commands:
    return Commands(capsys)


def test_a_study_is_done_kept_and_written(run: Commands, project: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    said = run("study", "slides", "--project", project, "--fact", "site", "--name", "Sites", "--out", out)
    assert said.code == 0, said
    assert "Slides and patients: Sites." in said.out and "site 0" in said.out
    with Store.open(project) as store:
        (record,) = store.studies.all()
        assert record.request["spec"]["fact"] == "site" and len(record.request["slides"]) == 12
        assert set(record.cells) == {slide.fingerprint for slide in store.slides.all()}
        arrays = store.studies.arrays(record.id)
        assert not (store.cache_dir / "studies").exists() or not list((store.cache_dir / "studies").iterdir())
    with (out / "slides-difference.csv").open(encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    first = rows[0]
    assert float(first["p pooled"]) == arrays["group/p_single"][int(first["feature"])]
    assert "<svg" in (out / "slides-plane.svg").read_text()
    with Image.open(out / "slides-plane.png") as picture:
        assert picture.width > 900
    document = json.loads((out / "study.json").read_text())
    assert document["study"] == "slides" and document["run"] == "Sites"
    assert document["tables"]["slides-difference"]["columns"]["feature"][0] == int(first["feature"])
    # Patients are not exported unasked.
    assert "patient" not in json.dumps(document["request"]["slides"])
    again = run("study", "show", "--project", project, "--run", "Sites")
    assert again.out.splitlines()[4] == said.out.splitlines()[4]
    listed = run("study", "list", "--project", project, "--json")
    assert [one["name"] for one in listed.data["studies"]] == ["Sites"]


def test_the_same_request_gives_the_same_numbers(run: Commands, project: Path) -> None:
    for _ in range(2):
        assert run("study", "slides", "--project", project, "--fact", "site", "--seed", 3).code == 0
    with Store.open(project) as store:
        first, second = (store.studies.arrays(one.id) for one in store.studies.all())
    assert first.keys() == second.keys()
    for name in first:
        np.testing.assert_array_equal(first[name], second[name])


def test_a_study_of_two_cohorts_by_command(run: Commands, project: Path) -> None:
    said = run(
        "study",
        "domain",
        "--project",
        project,
        "--fact",
        "site",
        "--a",
        "site 0",
        "--b",
        "site 1",
        "--no-retrain",
    )
    assert said.code == 0 and "is the project's own" in said.out and "What cannot be said" in said.out


def test_what_cannot_be_done_is_refused_with_a_way_out(run: Commands, project: Path, tmp_path: Path) -> None:
    assert_refused(
        run("study", "slides", "--project", project, "--fact", "colour"), "No slide has a value", "site"
    )
    assert_refused(run("study", "slides", "--project", project, "--a", "site 0"), "none is chosen", "--fact")
    for kind in ("slides", "robustness", "domain"):
        by_patient = run("study", kind, "--project", project, "--fact", "Patient")
        assert_refused(by_patient, "The patient is the unit of every study", "scanner or site")
    with Store.open(project, author="tester") as store:
        offered = offer_of(store, "slides").columns
    assert "site" in offered and "patient" not in offered
    (tmp_path / "file").touch()
    assert_refused(
        run("study", "slides", "--project", project, "--out", tmp_path / "file"),
        "is a file, and --out takes a folder",
    )
    assert_refused(run("study", "encoders", "--project", project), "one encoder only", "control:random-vit")
    assert_refused(run("study", "universality", "--project", project, "--with-sets", "abc"), "abc", "none")
    with Store.open(project) as store:
        folder = store.cache_dir / store.analyses.current().embedding_folder
    writer = EmbeddingWriter(folder, square_grid(1), control_card(), 1)
    writer.write(0, np.zeros((1, control_card().width), np.float32), np.zeros(1, np.uint8))
    writer.commit()
    refused = run("study", "depth", "--project", project, "--layers", "2,99")
    assert_refused(refused, "The encoder has no block 99", "the blocks 1 to 4")
    assert "load encoder" not in refused.err
    refused = run("study", "slides", "--project", project, "--fact", "site", "--a", "nowhere")
    assert_refused(refused, "No slide has 'nowhere'")
    assert_refused(run("study", "show", "--project", project), "No study has been done")
    assert_refused(run("report", "--project", project, "--out", tmp_path / "r.pdf"), "does not end in .html")
    assert_refused(run("study", "nothing", "--project", project), "nothing", code=2)


def test_a_deleted_cache_is_told_by_the_name_of_the_slide(run: Commands, project: Path) -> None:
    # This project keeps no embeddings; they are needed only where an SAE is to be trained.
    said = run("study", "domain", "--project", project, "--fact", "site")
    assert_refused(said, "The embeddings of slide-0.tif and 11 other slides (")
    with Store.open(project) as store:
        analyses = [
            one
            for one in store.analyses.all()
            if store.slides.get(one.slide_id).name in ("slide-3.tif", "slide-5.tif")
        ]
        folders = [store.cache_dir / one.feature_folder for one in analyses]
    shutil.rmtree(folders[0])
    said = run("study", "slides", "--project", project)
    assert_refused(said, "The features of slide-3.tif (", "sparsescope analyze slide-3.tif", "Analysis >")
    assert folders[0].name not in said.err
    (folders[1] / "manifest.json").write_text("{")
    assert_refused(run("study", "geometry", "--project", project), "slide-3.tif and 1 other slide (")


class _Page(html.parser.HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.anchors: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in ("src", "href") and value is not None:
                self.links.append(value)
            if name == "id" and value is not None:
                self.anchors.add(value)


def test_the_report_holds_everything_and_loads_nothing(run: Commands, project: Path, tmp_path: Path) -> None:
    assert run("study", "slides", "--project", project, "--fact", "site").code == 0
    page = tmp_path / "report.html"
    said = run("report", "--project", project, "--out", page)
    assert said.code == 0 and said.out.strip().endswith(f"{page}.")
    text = page.read_text(encoding="utf-8")
    found = _Page()
    found.feed(text)
    assert all(link.startswith(("data:", "#")) for link in found.links)
    assert {"short", "slides", "model", "scores", "studies", "features", "methods"} <= found.anchors
    # The short answer of the study stands first, and leads to the study.
    first = re.search(r'<section id="short">.*?</section>', text, re.DOTALL).group(0)
    with Store.open(project) as store:
        (record,) = store.studies.all()
        assert report_of(store, record).short in html.unescape(first)
    assert f'href="#study-{record.id}"' in first and text.index(first) < text.index('<section id="slides">')
    assert text.count("<figure>") >= 3 and "Not done: Depth" in text
    assert "&lt;Plasma&gt; cells" in text and "<Plasma>" not in text
    # Names of patients and files appear only where they are asked for.
    slides = re.search(r'<section id="slides">.*?</section>', text, re.DOTALL).group(0)
    assert "12 patients" in slides and "slide-0.tif" not in slides and "P00" not in slides
    assert run("report", "--project", project, "--out", page, "--with-slides").code == 0
    slides = re.search(r'<section id="slides">.*?</section>', page.read_text(), re.DOTALL).group(0)
    assert "slide-0.tif" in slides and "P00" in slides


def test_what_studies_say_of_features_is_in_the_feature_table(
    run: Commands, project: Path, tmp_path: Path
) -> None:
    assert run("study", "slides", "--project", project, "--fact", "site", "--a", "site 0").code == 0
    table = tmp_path / "features.csv"
    assert run("export", "features", "--project", project, "--out", table).code == 0
    with table.open(encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    with Store.open(project) as store:
        effect = store.studies.arrays(store.studies.all()[0].id)["group/effect"]
    said = [float(row["study: site 0 less site 1"] or "nan") for row in rows]
    np.testing.assert_allclose(said, effect)


def test_a_study_in_an_older_form_is_named_and_the_report_stands(
    run: Commands, project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run("study", "slides", "--project", project).code == 0
    newer = tuple(replace(one, format=one.format + 1) for one in studies())
    monkeypatch.setattr("sae_backend.studies.framework.registry.studies", lambda: newer)
    assert_refused(
        run("study", "show", "--project", project), "another version of the program", "do the study again"
    )
    page = tmp_path / "report.html"
    assert run("report", "--project", project, "--out", page).code == 0
    assert "another version of the program" in page.read_text(encoding="utf-8")
