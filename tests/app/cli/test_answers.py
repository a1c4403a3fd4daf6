"""What every command shares: help, exit codes, one JSON object, readable complaints."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from desktop_app.cli.main import build_parser, main
from tests.app.fixtures.command_line import Commands, assert_refused, in_child


def _names(parser: argparse.ArgumentParser, before: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    found = []
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, child in action.choices.items():
                found += [(*before, name), *_names(child, (*before, name))]
    return found


COMMANDS = _names(build_parser())


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Commands:
    return Commands(capsys)


def test_every_promised_command_is_there() -> None:
    promised = {("open",), ("demo",), ("analyze",), ("train",), ("cells", "import"), ("correlate",), ("features",),
                ("heatmap",), ("doctor",), ("cells", "detect"), ("cells", "classes"), ("cells", "list"), ("slides", "import"),
                ("export", "correlations"), ("export", "anndata"), ("export", "methods"), ("export", "tiles")} | {("annotate", a) for a in ("set", "list", "export", "import")}  # fmt: skip
    assert promised <= set(COMMANDS)


@pytest.mark.parametrize("words", [(), *COMMANDS], ids=" ".join)
def test_help_explains_every_option(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*words, "--help"])
    assert ended.value.code == 0
    out, err = capsys.readouterr()
    assert out.startswith("usage: sparsescope") and err == ""
    if words and words not in {("cells",), ("annotate",), ("export",), ("slides",), ("study",)}:
        assert "--json" in out
        parser = build_parser()
        for word in words:
            choices = next(a.choices for a in parser._actions if isinstance(a, argparse._SubParsersAction))
            parser = choices[word]
        unexplained = [
            action.option_strings[0]
            for action in parser._actions
            if action.option_strings and not action.help
        ]
        assert unexplained == []


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (
            ("heatmap", "s.svs", "twelve", "--project", "p", "--out", "o.png"),
            "'twelve' is not a whole number",
        ),
        (("analyze", "s.svs", "--project", "p", "--mpp", "0,5"), "'0,5' is not a number"),
        (("analyze", "s.svs"), "--project"),
        (("annotate", "set", "3", "--project", "p", "--confidence", "9"), "9"),
        (("correlate", "--project", "p", "--seed", "-1"), "'-1' is below 0"),
        (("anlyze", "s.svs"), "anlyze"),
        (("cells",), "ACTION"),
        (("features", "--project", "p", "--colour"), "--colour"),
    ],
)
def test_a_wrong_command_line_is_a_sentence_and_code_2(
    run: Commands, words: tuple[str, ...], expected: str
) -> None:
    said = run(*words)
    assert_refused(said, expected, "--help", code=2)
    assert said.out == ""
    as_json = run(*words, "--json")
    assert as_json.code == 2
    assert as_json.data["error"] == "UserInputError"
    assert expected in as_json.data["sentence"] and as_json.data["hint"]


@pytest.mark.parametrize(
    "words",
    [
        ("features",),
        ("correlate",),
        ("train", "--out", "sae"),
        ("annotate", "list"),
        ("annotate", "set", "1", "--name", "x"),
        ("annotate", "export", "a.json"),
        ("annotate", "import", "a.json"),
        ("heatmap", "s.svs", "1", "--out", "o.png"),
    ],
    ids=" ".join,
)
def test_a_folder_that_is_no_project_is_refused_and_left_alone(
    run: Commands, words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    said = run(*words, "--project", tmp_path / "none", "--json")
    assert_refused(said, "is not a Sparsescope project")
    assert said.data["error"] == "StoreError"
    assert list(tmp_path.iterdir()) == []


def test_commands_that_need_no_worker_start_none(run: Commands, tmp_path: Path) -> None:
    def never() -> None:
        raise AssertionError("a worker was made")

    said = run("annotate", "list", "--project", tmp_path, backend=never)  # type: ignore[arg-type]
    assert_refused(said, "is not a Sparsescope project")


def test_doctor_reports_in_words_and_by_exit_code() -> None:
    said = in_child("doctor", "--json")
    topics = {finding["topic"] for finding in said.data["findings"]}
    assert {"Python", "torch", "OpenSlide library", "SQLite", "OpenGL", "Folders", "Device"} <= topics
    assert said.code == (0 if said.data["ok"] else 1)
    assert all(finding["words"] for finding in said.data["findings"])
