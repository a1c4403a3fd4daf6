"""The schema of annotation fields: what it says of the present ones, and that a new one is a line and a migration."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from desktop_app.cli.main import build_parser
from desktop_app.store.records.annotation_records import FIELDS, FORM
from sae_backend.errors import SparsescopeError

REPOSITORY = Path(__file__).parents[3]


def test_a_new_field_is_found_in_record_form_command_line_exports_import_and_history(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.app.fixtures.toy_field", str(tmp_path)],
        cwd=REPOSITORY,
        env={**os.environ, "QT_QPA_PLATFORM": "offscreen"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0 and "found everywhere" in done.stdout, done.stderr[-3000:]


def test_people_read_every_field_once_with_a_label_and_a_key_of_its_own() -> None:
    assert set(FORM) == set(FIELDS.values())
    keys = [field.label[field.label.index("&") + 1].lower() for field in FORM if "&" in field.label]
    assert len(keys) == len(set(keys)) and all(field.help for field in FORM)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--concept", "cell: lymphocyte"], {"concept": "cell: lymphocyte"}),
        (["--nature", "technical"], {"nature": "technical"}),
        (["--nature", "none"], {"nature": ""}),
        (["--polysemantic"], {"polysemantic": True}),
        (["--no-polysemantic"], {"polysemantic": False}),
        (["--confidence", "none"], {"confidence": None}),
        (["--confidence", "4", "--tags", "a, b"], {"confidence": 4, "tags": ("a", " b")}),
        ([], {}),
    ],
)
def test_the_command_line_sets_every_field(words: list[str], expected: dict[str, object]) -> None:
    options = vars(build_parser().parse_args(["annotate", "set", "1", "--project", "p", *words]))
    assert {name: value for name, value in options.items() if name in FIELDS} == expected


@pytest.mark.parametrize("words", [["--nature", "odd"], ["--confidence", "6"], ["--status", "none"]])
def test_the_command_line_refuses_what_no_field_can_be(words: list[str]) -> None:
    with pytest.raises(SparsescopeError, match="is not one of"):
        build_parser().parse_args(["annotate", "set", "1", "--project", "p", *words])
