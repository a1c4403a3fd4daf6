"""Fixtures shared by all tests."""

from __future__ import annotations

import ctypes
import gc
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import psutil
import pytest

os.environ.setdefault("QT_API", "pyside6")

GIB: Final = 2**30
# With all libraries of the program loaded a process has 1.25 already, of which torch and torchvision are the half.
GOAL_RESIDENT_GIB: Final = 1.5
# Windows that showed a slide still leave about 15 MB of OpenGL's own memory each; until that is found the run only fails
# above this.
MAX_RESIDENT_GIB: Final = 4.5
_GROWTH: Final = 50 * 2**20
_MEMORY: Final = pytest.StashKey[dict[str, tuple[float, float]]]()
_RESIDENT: Final = pytest.StashKey[int]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_MEMORY], config.stash[_RESIDENT] = {}, 0


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the files with slow tests come first: begun last, one keeps a process busy while the other has nothing to do."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


def pytest_collection_finish() -> None:
    """Let no collection of garbage walk through the libraries and the tests, which stay to the end."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Iterator[None]:
    """After a file that made the process larger: collect what was kept from collection, and give memory back."""
    yield
    if nextitem is not None and nextitem.path == item.path:
        return
    process, stash = psutil.Process(), item.config.stash
    if process.memory_info().rss > stash[_RESIDENT] + _GROWTH:
        gc.unfreeze()
        gc.collect()
        gc.freeze()
        if sys.platform == "linux":
            # glibc keeps what was freed in the arenas of threads that are long gone.
            getattr(ctypes.CDLL(None), "malloc_trim", int)(0)
        stash[_RESIDENT] = process.memory_info().rss


def _resident_and_peak_gib() -> tuple[float, float]:
    info = psutil.Process().memory_info()
    if sys.platform == "win32":
        peak = info.peak_wset
    else:
        import resource

        # In KiB, on macOS in bytes.
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return info.rss / GIB, peak / GIB


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Hold the memory that a process ends with; those of xdist say theirs to the one that prints."""
    config = session.config
    if hasattr(config, "workeroutput"):
        config.workeroutput["memory"] = _resident_and_peak_gib()
        return
    memory = config.stash[_MEMORY]
    if not memory:
        memory["this process"] = _resident_and_peak_gib()
    if any(resident > MAX_RESIDENT_GIB for resident, _peak in memory.values()) and not session.exitstatus:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take what a process of xdist says at its end; one that died has said nothing."""
    if "memory" in getattr(node, "workeroutput", {}):
        node.config.stash[_MEMORY][node.gateway.id] = tuple(node.workeroutput["memory"])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print each process's memory, and which has too much of it."""
    terminalreporter.section("memory")
    for name, (resident, peak) in sorted(config.stash[_MEMORY].items()):
        terminalreporter.line(f"{name}: {resident:.2f} GiB resident at the end, {peak:.2f} at most")
        if resident > GOAL_RESIDENT_GIB:
            terminalreporter.line(
                f"{name} ended above the goal of {GOAL_RESIDENT_GIB} GiB; above {MAX_RESIDENT_GIB} the run fails.",
                red=resident > MAX_RESIDENT_GIB,
            )


@pytest.fixture(scope="session", autouse=True)
def _napari_settings_of_nobody() -> None:
    """Keep napari's settings of this run out of the home of whoever runs the tests."""
    from napari.settings import get_settings

    get_settings(path=None)


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Folder with the real slides; tests that need it are skipped where it is absent."""
    default = Path(__file__).parent.parent.parent / "shared" / "data"
    folder = Path(os.environ.get("SPARSESCOPE_TEST_DATA", default))
    if not (folder / "CMU-1-Small-Region.svs").exists():
        pytest.skip(f"the real slides are not in {folder} (set SPARSESCOPE_TEST_DATA)")
    return folder
