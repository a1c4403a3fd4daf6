"""Find the files that ship with the program, installed or in a checkout."""

from __future__ import annotations

from pathlib import Path

from sae_backend.errors import CacheError

_PACKAGE = Path(__file__).parent


def resource(name: str) -> Path:
    """Return the path of a shipped file or folder.

    Parameters
    ----------
    name
        Path below `resources/` with forward slashes, such as `help/keys.md`.

    Returns
    -------
    Path
        In the installed package where it carries the resources, else in the checkout around it.

    Raises
    ------
    CacheError
        If the installation lacks the file, or `name` leads out of the resources.
    """
    roots = (_PACKAGE / "_resources", _PACKAGE.parent / "resources")
    root = next((folder for folder in roots if folder.is_dir()), roots[0])
    path = (root / name).resolve()
    if not path.is_relative_to(root.resolve()) or not path.exists():
        raise CacheError(f"The program's file {name} is missing.", "Install Sparsescope again.")
    return path
