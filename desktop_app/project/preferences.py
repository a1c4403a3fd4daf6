"""What the program remembers of one user between sessions: name, recent projects, looks."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal, get_args

from sae_backend.atomic_write import write_text_atomic

Theme = Literal["dark", "light"]
THEMES: Final[tuple[Theme, ...]] = get_args(Theme)
MAX_RECENT: Final = 8


@dataclass(frozen=True)
class Preferences:
    """The user's own settings; `author` is empty until the user has said it, `text_points` None as the system has it.

    `opened_at` holds when each recent project was opened last, UTC in ISO 8601, by its folder.
    """

    author: str = ""
    theme: Theme = "dark"
    text_points: int | None = None
    recent_projects: tuple[str, ...] = ()
    opened_at: Mapping[str, str] = field(default_factory=dict)


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
        now = datetime.now(UTC).isoformat(timespec="seconds")
        self._keep_recent(tuple([name, *others][:MAX_RECENT]), {**self.current.opened_at, name: now})

    def forget(self, project: Path) -> None:
        """Take a project from the recent ones; the project itself stays as it is."""
        others = tuple(known for known in self.current.recent_projects if known != str(project))
        self._keep_recent(others, self.current.opened_at)

    def _keep_recent(self, names: tuple[str, ...], opened_at: Mapping[str, str]) -> None:
        self.change(
            recent_projects=names, opened_at={name: opened_at[name] for name in names if name in opened_at}
        )

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
    known = {entry.name: found[entry.name] for entry in fields(Preferences) if entry.name in found}
    recent, opened_at = known.get("recent_projects", ()), known.get("opened_at", {})
    return Preferences(
        author=known["author"] if isinstance(known.get("author"), str) else "",
        theme=known["theme"] if known.get("theme") in THEMES else "dark",
        text_points=known["text_points"] if isinstance(known.get("text_points"), int) else None,
        recent_projects=tuple(name for name in recent if isinstance(name, str))
        if isinstance(recent, list)
        else (),
        opened_at={name: at for name, at in opened_at.items() if isinstance(at, str)}
        if isinstance(opened_at, dict)
        else {},
    )
