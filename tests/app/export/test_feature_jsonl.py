"""JSON Lines of features: planted numbers come out, names go in again, a bad line is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from desktop_app.export.feature_jsonl import export_jsonl, import_jsonl
from desktop_app.store import Store
from sae_backend.errors import CacheError, UserInputError
from sae_backend.slides.slide import Slide
from tests.app.fixtures.command_line import Commands, assert_refused
from tests.app.fixtures.correlation_arrays import correlation_of
from tests.app.fixtures.fakes import SAE_DIGEST, add_analysis, write_slide

N_TILES = 56
OTHER = "07e4" * 6


@pytest.fixture
def store(tmp_path: Path) -> Any:
    with Store.create(tmp_path / "project", author="tester") as made:
        with Slide.open(write_slide(tmp_path / "field.tif"), 0.5) as slide:
            record = made.slides.add(slide.info)
            analysis = add_analysis(made, record.id, slide, is_control=True)
        rows = [
            {"feature": 1, "cell_type": name, "statistic": kind, "value": r, "ci_low": r - 0.1, "ci_high": r + 0.1,
             "p": 0.004, "q": 0.02}
            for name, kind, r in (("a", "pearson", 0.25), ("b", "pearson", -0.75), ("a", "spearman", 0.99))
        ]  # fmt: skip
        meta = {
            "n_tiles": 56,
            "n_slides": 1,
            "n_clusters": 4,
            "unit": "block of 1 mm",
            "method": "M",
            "notes": [],
        }
        made.correlations.add(correlation_of(SAE_DIGEST, (analysis.id,), meta, rows))
        made.annotations.set(
            SAE_DIGEST, 1, name="Größe", description="two\nlines", tags=("x", "y"), confidence=4, status="reviewed",
            concept="mitosis", nature="technical", polysemantic=True,
        )  # fmt: skip
        made.comments.add(SAE_DIGEST, 3, "only a comment")
        made.annotations.set(OTHER, 7, name="of an autoencoder that was never run here")
        yield made


def read(path: Path) -> dict[tuple[str, str], dict[str, Any]]:
    lines = [orjson.loads(line) for line in path.read_bytes().splitlines()]
    return {(line["saeId"], line["index"]): line for line in lines}


def test_planted_numbers_come_out(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "new" / "x.jsonl"
    assert export_jsonl(store, path) == 3
    lines = read(path)
    one = lines[SAE_DIGEST, "1"]
    assert (one["modelId"], one["layer"]) == ("control:random-vit", "3")
    # Feature 1 fires in tile 0 alone, with 5.
    assert one["frac_nonzero"] == pytest.approx(1 / N_TILES)
    assert (one["maxActApprox"], one["mean_when_firing"]) == (5.0, 5.0)
    assert one["activations"] == [
        {"slide": "field.tif", "tile": 0, "y_l0": 0.0, "x_l0": 0.0, "width_px_l0": 100.0, "mpp": 0.5, "value": 5.0}
    ]  # fmt: skip
    assert one["histogram"]["bins"][-1] == 5.0
    assert one["histogram"]["counts"] == one["freq_hist_data_bar_heights"] == [0] * 29 + [1]
    assert [(c["cell_type"], c["r"], c["p"], c["n"]) for c in one["correlations"]] == [
        ("b", -0.75, 0.004, 56),
        ("a", 0.25, 0.004, 56),
    ]
    known = one["provenance"]
    assert (known["n_tiles"], known["embedding_digest"], known["encoder_is_control"]) == (
        N_TILES,
        "e1" * 12,
        True,
    )
    assert lines[SAE_DIGEST, "3"]["comments"][0]["text"] == "only a comment"
    strange = lines[OTHER, "7"]
    assert strange["modelId"] is None and "No slide" in strange["provenance"]["reason"]
    assert str(tmp_path) not in path.read_text(encoding="utf-8")


def test_chosen_features_need_no_name(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    assert export_jsonl(store, path, [5, 0, 5]) == 2
    silent = read(path)[SAE_DIGEST, "0"]
    assert silent["frac_nonzero"] == 0 and silent["mean_when_firing"] is None
    assert silent["activations"] == silent["histogram"]["counts"] == []
    before = path.read_bytes()
    with pytest.raises(UserInputError, match="no feature 12"):
        export_jsonl(store, path, [12])
    assert path.read_bytes() == before
    with pytest.raises((UserInputError, CacheError)):
        export_jsonl(store, tmp_path)
    assert not list(tmp_path.rglob("*.tmp"))


def test_names_go_in_again(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    export_jsonl(store, path)
    with Store.create(tmp_path / "other", author="somebody else") as other:
        other.annotations.set(OTHER, 7, name="mine")
        report = import_jsonl(other, path)
        assert (report.added, report.unchanged) == (1, 0)
        assert [conflict.fields for conflict in report.conflicts] == [("name",)]
        mine, theirs = other.annotations.get(SAE_DIGEST, 1), store.annotations.get(SAE_DIGEST, 1)
        assert mine.content() == theirs.content() and (mine.author, mine.updated_at) == (
            "tester",
            theirs.updated_at,
        )
        assert other.annotations.get(SAE_DIGEST, 3).revision == 0, "a line that says nothing is no annotation"
        assert import_jsonl(other, path).unchanged == 1


GOOD = b'{"saeId": "5ae", "index": "1", "name": "kept?"}'


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b"{", "JSON"),
        (b"[]", "saeId"),
        (b'{"index": "2", "name": "x"}', "saeId"),
        (b'{"saeId": "5ae", "index": "-2", "name": "x"}', "number"),
        (b'{"saeId": "5ae", "index": true, "name": "x"}', "number"),
        (b'{"saeId": "5ae", "index": "' + b"9" * 5000 + b'", "name": "x"}', "number"),
        (b'{"saeId": "5ae", "index": 2, "name": 5}', "text"),
        (b'{"saeId": "5ae", "index": 2, "confidence": 9}', "confidence"),
        (b'{"saeId": "5ae", "index": 2, "status": "fine"}', "status"),
        (b'{"saeId": "5ae", "index": 2, "tags": "a,b"}', "ags"),
        (b'{"saeId": "5ae", "index": 2, "author": null, "name": "x"}', "author"),
        (b'{"saeId": "5ae", "index": 1, "name": "twice"}', "after line 1"),
    ],
)
def test_a_bad_line_is_named_and_nothing_is_added(tmp_path: Path, line: bytes, words: str) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(GOOD + b"\n\n" + line + b"\n")
    with Store.create(tmp_path / "p") as store:
        with pytest.raises(UserInputError, match="[Ll]ine 3") as caught:
            import_jsonl(store, path)
        assert words in caught.value.sentence and caught.value.hint
        assert store.annotations.all() == []


def test_the_commands_choose_by_suffix(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Commands(capsys)
    path = tmp_path / "x.jsonl"
    said = run("annotate", "export", path, "--project", store.folder, "--json")
    assert said.code == 0 and said.data["n"] == 3
    with Store.create(tmp_path / "other"):
        pass
    assert run("annotate", "import", path, "--project", tmp_path / "other", "--json").data["added"] == 2
    path.write_text('{"saeId": 3}\n', encoding="utf-8")
    assert_refused(run("annotate", "import", path, "--project", tmp_path / "other"), "Line 1 of x.jsonl")
