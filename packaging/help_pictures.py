"""Make the pictures of the help pages and of the README: the real window on the demo, in named states.

Usage: python packaging/help_pictures.py [--demo FOLDER] [--cohort FOLDER] [--only NAME ...]

Needs a display with OpenGL, such as `xvfb-run -s "-screen 0 1920x1200x24 +extension GLX"`. `--demo` takes a folder
that `sparsescope demo` or the start page made; it is copied and never written into. Without it the demo is made anew.
`--cohort` takes the project that `sparsescope demo --cohort` made, which is copied, too; without it the picture of the
studies stays as it is.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

os.environ["QT_API"] = "pyside6"

if TYPE_CHECKING:
    from help_scenes import Scene

HELP: Final = Path(__file__).resolve().parent.parent / "resources" / "help"
PICTURE_BYTES: Final = 130_000
ALL_BYTES: Final = 1_200_000
README_PICTURE: Final = "window"
README_BYTES: Final = 400_000
NEEDS_DISPLAY: Final = (
    "This needs a display with OpenGL and started nothing. Without a screen:\n"
    '  xvfb-run -s "-screen 0 1920x1200x24 +extension GLX" python packaging/help_pictures.py'
)


def has_display() -> bool:
    """Whether windows can be shown and drawn with OpenGL here."""
    if os.environ.get("QT_QPA_PLATFORM", "") in {"offscreen", "minimal"}:
        return False
    return sys.platform in {"darwin", "win32"} or bool(
        os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    )


def make(scenes: Sequence[tuple[str, Scene, Path]]) -> None:
    """Take one picture a scene, in the order given, from one window on the project in the scene's folder."""
    from window_stage import Stage, save

    with Stage() as stage:
        for name, scene, folder in scenes:
            readme = name == README_PICTURE
            path = HELP / f"{name}.png" if readme else HELP / "pictures" / f"{name}.png"
            words = save(scene(stage, folder), path, README_BYTES if readme else PICTURE_BYTES)
            print(f"{path.relative_to(HELP)}: {words}", flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Make all pictures, or those that are named; returns the exit code."""
    parser = argparse.ArgumentParser(description="Make the pictures of the help pages and of the README.")
    parser.add_argument("--demo", type=Path, metavar="FOLDER", help="a ready demo; it is copied")
    parser.add_argument(
        "--cohort", type=Path, metavar="FOLDER", help="a ready project of a cohort; it is copied"
    )
    parser.add_argument("--only", nargs="+", metavar="NAME", help="only these pictures")
    options = parser.parse_args(arguments)
    if not has_display():
        print(NEEDS_DISPLAY, file=sys.stderr)
        return 2
    from cohort_scenes import COHORT_SCENES
    from help_scenes import SCENES

    known = {**SCENES, **COHORT_SCENES}
    wanted = set(options.only or known)
    unknown = wanted - set(known)
    if unknown:
        print(
            f"No such picture: {', '.join(sorted(unknown))}. There are {', '.join(known)}.", file=sys.stderr
        )
        return 2
    if options.cohort is None and wanted & set(COHORT_SCENES):
        print(f"Without --cohort these stay as they are: {', '.join(COHORT_SCENES)}.", file=sys.stderr)
        wanted -= set(COHORT_SCENES)
    (HELP / "pictures").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="sparsescope-") as temporary:
        demo, cohort = Path(temporary) / "demo", Path(temporary) / "cohort"
        if options.demo is not None:
            shutil.copytree(options.demo, demo)
        if options.cohort is not None:
            shutil.copytree(options.cohort, cohort)
        make(
            [
                (name, scene, cohort if name in COHORT_SCENES else demo)
                for name, scene in known.items()
                if name in wanted
            ]
        )
    total = sum(path.stat().st_size for path in (HELP / "pictures").glob("*.png"))
    print(f"together {total / 1e3:.0f} kB")
    if total > ALL_BYTES:
        print(f"That is more than the {ALL_BYTES / 1e3:.0f} kB that may ship.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
