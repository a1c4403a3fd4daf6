"""Build the wheel, install it into an empty environment and run the program outside the checkout.

Usage: python packaging/smoke_test.py [--keep FOLDER]

The heavy dependencies are taken from the running interpreter's site-packages, so the test needs no network;
the project itself comes from the wheel alone. Ends in exit code 0, or says what failed.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import venv
import zipfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ("desktop_app", "sae_backend", "resources", "pyproject.toml", "README.md", "LICENSE")
EXPECTED = (
    "desktop_app/cli/main.py",
    "desktop_app/store/migrations/",
    "sae_backend/_resources/help/getting_started.md",
    "sae_backend/_resources/help/pictures/",
    "sae_backend/slides/slide.py",
)
PROBE = """
import sys
from pathlib import Path
import desktop_app, sae_backend
from sae_backend.paths import resource
home = Path(sys.prefix).resolve()
for file in (desktop_app.__file__, sae_backend.__file__, resource("help/keys.md")):
    assert Path(file).resolve().is_relative_to(home), f"{file} does not come from the wheel"
"""


class SmokeError(Exception):
    """A step of the smoke test failed; the text says which and how."""


def run(command: Sequence[str | Path], cwd: Path) -> str:
    """Run `command` in `cwd` with no trace of the checkout in its environment; return what it printed."""
    environment = {
        key: value
        for key, value in os.environ.items()
        if key not in {"PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV"}
    }
    environment.setdefault("QT_QPA_PLATFORM", "offscreen")
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    if done.returncode != 0:
        line = " ".join(str(part) for part in command)
        raise SmokeError(f"{line}\nended in exit code {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


def build_wheel(folder: Path) -> Path:
    """Build the wheel from a copy of the sources, and check that it carries code and resources."""
    source = folder / "source"
    for name in SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            source.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, source / name)
    run([sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, source], folder)
    wheel = next(folder.glob("sparsescope-*.whl"))
    names = zipfile.ZipFile(wheel).namelist()
    absent = [wanted for wanted in EXPECTED if not any(name.startswith(wanted) for name in names)]
    strays = [name for name in names if name.split("/")[0] not in {"desktop_app", "sae_backend"}]
    strays = [name for name in strays if ".dist-info" not in name]
    if absent or strays:
        raise SmokeError(f"The wheel lacks {absent} and has {strays} too many.")
    return wheel


def install(wheel: Path, folder: Path) -> Path:
    """Install `wheel` into a new environment that sees the running one's dependencies; return its bin folder."""
    environment = folder / "environment"
    venv.EnvBuilder(with_pip=False, symlinks=os.name != "nt").create(environment)
    binaries = environment / ("Scripts" if os.name == "nt" else "bin")
    python = binaries / "python"
    purelib = Path(
        run([python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], folder).strip()
    )
    pip: list[str | Path] = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        python,
        "install",
        "--quiet",
        "--no-deps",
        "--no-index",
    ]
    run([*pip, wheel], folder)
    # A plain path in a .pth file adds the folder at the end and does not read the .pth files inside it,
    # so an editable install of the checkout stays out.
    (purelib / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    return binaries


def main(arguments: Sequence[str] | None = None) -> int:
    """Run every step; return the exit code."""
    parser = argparse.ArgumentParser(description="Build, install and start the program outside the checkout.")
    parser.add_argument("--keep", type=Path, help="folder for wheel and environment, kept afterwards")
    keep: Path | None = parser.parse_args(arguments).keep
    folder = keep or Path(tempfile.mkdtemp(prefix="sparsescope-smoke-"))
    folder.mkdir(parents=True, exist_ok=True)
    try:
        wheel = build_wheel(folder)
        binaries = install(wheel, folder)
        run([binaries / "python", "-c", PROBE], folder)
        usage = run([binaries / "sparsescope", "--help"], folder)
        if "analyze" not in usage:
            raise SmokeError(f"sparsescope --help does not list its commands:\n{usage}")
        report = run([binaries / "sparsescope", "doctor"], folder)
    except SmokeError as failure:
        print(failure, file=sys.stderr)
        return 1
    finally:
        if keep is None:
            shutil.rmtree(folder, ignore_errors=True)
    print(f"{wheel.name}: installed and started.\n{report}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
