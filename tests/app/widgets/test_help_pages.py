"""The help pages: all that the menu names are there, and the scoreboard's ends with what was measured."""

from __future__ import annotations

import re

import pytest

from desktop_app.widgets.shell.help_pages import help_page
from sae_backend.errors import SparsescopeError
from sae_backend.paths import resource


@pytest.mark.parametrize(
    "page",
    [
        "getting_started",
        "cells",
        "correlations",
        "studies",
        "what_numbers_mean",
        "scoreboard",
        "keys",
        "notebook",
    ],
)
def test_every_page_is_there_and_has_a_title(page: str) -> None:
    assert help_page(page).startswith("# ")


def test_the_scoreboards_page_shows_both_tables() -> None:
    text = help_page("scoreboard")
    for table in ("scoreboard/scoreboard.txt", "scoreboard/real_field.txt"):
        for line in resource(table).read_text(encoding="utf-8").splitlines():
            assert line in text
    assert text.index("held-out slides") < text.index("```")
    code = "".join(re.findall(r"```text\n(.*?)```", text, flags=re.DOTALL))
    assert "macrophage" in code and "Neoplastic" in code
    # Sentences are not shut into a block of code, where they would run out of sight.
    assert max(len(line) for line in code.splitlines()) < 115


def test_a_page_that_is_missing_is_told_in_words() -> None:
    with pytest.raises(SparsescopeError):
        help_page("no-such-page")
