"""What the program remembers of one user between sessions: name, recent projects, looks."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Final, Literal, get_args

from sae_backend.cache import write_text_atomic

Theme = Literal["dark", "light"]
THEMES: Final[tuple[Theme, ...]] = get_args(Theme)
MAX_RECENT: Final = 8


@dataclass(frozen=True)
class Preferences:
    """The user's own settings; `author` is empty until the user has said it."""

    author: str = ""
    theme: Theme = "dark"
    recent_projects: tuple[str, ...] = ()


class PreferencesFile:
    """Preferences in one JSON file; what cannot be kept costs nothing but the memory of it.

    Parameters
    ----------
    path
        The file; None keeps them for this run only.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self.current = _read(path) if path is not None else Preferences()

    def change(self, **changes: Any) -> Preferences:
        """Change some of the preferences and keep them."""
        self.current = replace(self.current, **changes)
        if self._path is not None:
            try:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                write_text_atomic(self._path, json.dumps(asdict(self.current), indent=1))
            except OSError:
                # A home that cannot be written must not stop the work; the user is asked again.
                self._path = None
        return self.current

    def opened(self, project: Path) -> None:
        """Put a project at the head of the recent ones."""
        name = str(project.absolute())
        others = [known for known in self.current.recent_projects if known != name]
        self.change(recent_projects=tuple([name, *others][:MAX_RECENT]))

    def recent_projects(self) -> Sequence[Path]:
        """Recent projects that are still there, the newest first."""
        return [
            Path(name) for name in self.current.recent_projects if (Path(name) / "project.sqlite").is_file()
        ]


def _read(path: Path) -> Preferences:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return Preferences()
    if not isinstance(found, dict):
        return Preferences()
    known = {field.name: found[field.name] for field in fields(Preferences) if field.name in found}
    recent = known.get("recent_projects", ())
    return Preferences(
        author=known["author"] if isinstance(known.get("author"), str) else "",
        theme=known["theme"] if known.get("theme") in THEMES else "dark",
        recent_projects=tuple(name for name in recent if isinstance(name, str))
        if isinstance(recent, list)
        else (),
    )
