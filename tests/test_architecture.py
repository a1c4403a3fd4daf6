"""The shape of the project: who imports whom, and what files may be called."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import tomllib
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("desktop_app", "sae_backend")
MAX_LINES = 600
MAX_ENTRIES = 15
CROWDED = ("resources/help/pictures", "desktop_app/store/migrations/versions", "tests/app/store/assets")
SAY_NOTHING = {"utils", "util", "helpers", "helper", "manager", "base", "common", "misc"}
PRIVATE_LANGUAGE = {"words", "shown", "given", "told", "looks", "places", "turn"}


@pytest.fixture(scope="module")
def imports() -> grimp.ImportGraph:
    return grimp.build_graph(*PACKAGES, include_external_packages=True, cache_dir=None)


def _importers(imports: grimp.ImportGraph, *names: str) -> set[str]:
    return {
        importer
        for name in names
        if name in imports.modules
        for importer in imports.find_modules_that_directly_import(name)
    }


def _within(module: str, package: str) -> bool:
    return module == package or module.startswith(package + ".")


def test_import_contracts_hold() -> None:
    run = subprocess.run(
        [
            sys.executable,
            "-c",
            "from importlinter.cli import lint_imports_command as run; run()",
            "--no-cache",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert "0 broken" in run.stdout


@pytest.mark.parametrize(
    ("libraries", "home"),
    [
        (("torch", "torchvision", "timm"), "sae_backend.compute"),
        (("sqlalchemy", "alembic"), "desktop_app.store"),
        (("PySide6", "qtpy", "superqt", "napari", "vispy"), "desktop_app"),
    ],
)
def test_a_heavy_library_has_one_home(
    imports: grimp.ImportGraph, libraries: tuple[str, ...], home: str
) -> None:
    assert all(importlib.util.find_spec(name) for name in libraries), "a library has another name"
    importers = _importers(imports, *libraries)
    assert [module for module in sorted(importers) if not _within(module, home)] == []


def test_the_computing_half_is_reached_by_messages_only(imports: grimp.ImportGraph) -> None:
    compute = {module for module in imports.modules if _within(module, "sae_backend.compute")}
    outside = {
        module for module in _importers(imports, *compute) if not _within(module, "sae_backend.compute")
    }
    assert outside == set()


@pytest.mark.parametrize(
    "module",
    ["sae_backend", "sae_backend.activations.feature_matrix", "sae_backend.worker.client", "desktop_app"],
)
def test_a_fresh_interpreter_needs_no_torch(module: str) -> None:
    code = f"import sys, {module}; print(sorted({{'torch', 'timm', 'torchvision'}} & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def _tracked(*roots: str) -> list[Path]:
    """Files of the project; what git does not track (caches, environments) is none of ours."""
    run = subprocess.run(["git", "ls-files", *roots], cwd=ROOT, capture_output=True, text=True, check=False)
    if run.returncode != 0 or not run.stdout:
        pytest.skip("the files of the project are told by git, and this is no checkout")
    return [Path(line) for line in run.stdout.splitlines()]


def test_names_are_the_fields_and_say_what_is_inside() -> None:
    banned = SAY_NOTHING | PRIVATE_LANGUAGE
    assert [str(path) for path in _tracked(*PACKAGES) if banned & {*path.with_suffix("").parts}] == []


def test_files_are_not_too_long() -> None:
    long = {
        str(path): lines
        for path in _tracked(*PACKAGES)
        if path.suffix == ".py"
        and (lines := len((ROOT / path).read_text(encoding="utf-8").splitlines())) > MAX_LINES
    }
    assert long == {}


def test_folders_are_not_crowded() -> None:
    entries: dict[str, set[str]] = {}
    for path in _tracked(*PACKAGES, "tests", "resources", "packaging"):
        for folder, name in zip(path.parents, (path.name, *(p.name for p in path.parents)), strict=False):
            if name != "__init__.py" and folder != Path():
                entries.setdefault(folder.as_posix(), set()).add(name)
    crowded = {folder: len(names) for folder, names in entries.items() if len(names) > MAX_ENTRIES}
    assert {folder: n for folder, n in crowded.items() if folder not in CROWDED} == {}


def test_every_module_stands_under_a_contract_of_layers() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    layered = [contract for contract in contracts if contract["type"] == "layers"]
    assert all(contract["exhaustive"] and "ignore_imports" not in contract for contract in layered)
    assert {name for contract in layered for name in contract["containers"]} >= set(PACKAGES)


def test_packaging_is_a_folder_and_not_a_package() -> None:
    assert (ROOT / "packaging").is_dir()
    assert not (ROOT / "packaging" / "__init__.py").exists()


def test_constraints_pin_all_but_torch_and_name_no_host() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").split()
    loose = [line for line in lines if "==" not in line]
    assert [line.partition(">=")[0] for line in loose] == ["torch", "torchvision"]
    assert not any("/" in line or line.startswith(("-", "nvidia", "cuda", "triton")) for line in lines)


def test_every_dependency_is_constrained() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").split()
    pinned = {_name(line) for line in lines}
    wanted = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    assert [entry for entry in wanted if _name(entry) not in pinned] == []


def _name(requirement: str) -> str:
    return requirement.partition(">")[0].partition("=")[0].partition("<")[0].strip().lower().replace("_", "-")


def test_store_needs_neither_torch_nor_a_window() -> None:
    code = (
        "import sys, desktop_app.store; "
        "print(sorted({'torch', 'timm', 'torchvision', 'PySide6', 'napari', 'qtpy'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
