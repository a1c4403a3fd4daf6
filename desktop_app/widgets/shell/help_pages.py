"""The help pages, as Markdown; that of the scoreboard ends with the tables that were measured."""

from __future__ import annotations

from typing import Final

from sae_backend.paths import resource

_TABLES: Final = {
    "scoreboard": (
        ("The whole table", "scoreboard/scoreboard.txt"),
        ("The same for one real field", "scoreboard/real_field.txt"),
    )
}


def help_page(page: str) -> str:
    """A page of `resources/help` with the tables that belong to it.

    Parameters
    ----------
    page
        Name of its file without the ending.

    Raises
    ------
    CacheError
        If the installation lacks it.
    """
    text = resource(f"help/{page}.md").read_text(encoding="utf-8")
    for title, table in _TABLES.get(page, ()):
        parts = resource(table).read_text(encoding="utf-8").strip().split("\n\n")
        text += f"\n\n## {title}\n\n" + "\n\n".join(_as_markdown(part) for part in parts) + "\n"
    return text


def _as_markdown(part: str) -> str:
    """Rows of a table keep their columns; a sentence in a block of code would run out of sight."""
    is_table = any(line.startswith("  ") for line in part.splitlines())
    return f"```text\n{part}\n```" if is_table else part.replace("\n", "  \n")
