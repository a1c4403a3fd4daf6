"""Shipped files are found, and nothing else is."""

from __future__ import annotations

import pytest

from sae_backend.errors import CacheError
from sae_backend.paths import resource


@pytest.mark.parametrize("page", ["getting_started", "keys", "what_numbers_mean"])
def test_the_help_pages_ship(page: str) -> None:
    assert resource(f"help/{page}.md").read_text(encoding="utf-8").startswith("# ")


@pytest.mark.parametrize("name", ["help/absent.md", "../pyproject.toml"])
def test_other_files_are_refused(name: str) -> None:
    with pytest.raises(CacheError, match="missing"):
        resource(name)
