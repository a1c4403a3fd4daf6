"""The command line: every job without a window, and the ways to open one."""

from __future__ import annotations

import argparse
import json
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, is_dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from desktop_app import commands
from sae_backend.errors import CancelledError, SparsescopeError

EXIT_ERROR = 1
EXIT_CANCELLED = 130


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    parser = argparse.ArgumentParser(
        prog="sparsescope",
        description="See what a pathology foundation model has learned: "
        "sparse-autoencoder features on whole-slide images.",
        epilog="Without a command the window opens on its start page.",
    )
    parser.add_argument("--version", action="version", version=metadata.version("sparsescope"))
    parser.set_defaults(run=commands.start_page)
    groups = parser.add_subparsers(metavar="COMMAND", title="commands")

    command = _add(groups, "open", commands.open_window, "the window with a slide")
    command.add_argument("slide", type=Path, metavar="SLIDE")
    command.add_argument("--project", type=Path, metavar="DIR", help="the project to put it in")
    command.add_argument("--mpp", type=float, help="pixel size in um per px, where the file lacks it")

    command = _add(groups, "demo", commands.demo, "the embedded demo, offline")
    command.add_argument(
        "--headless", action="store_true", help="no window: a folder with report and pictures"
    )
    command.add_argument("--out", type=Path, metavar="DIR", default=Path("sparsescope-demo"))

    command = _add(groups, "analyze", commands.analyze, "embed a slide's tiles and encode them with an SAE")
    command.add_argument("slide", type=Path, metavar="SLIDE")
    _project(command)
    command.add_argument("--encoder", default="control:random-vit", metavar="ID",
                         help="timm:<architecture>, or control:random-vit (random weights, a control; default)")  # fmt: skip
    command.add_argument("--weights", type=Path, metavar="FILE", help="safetensors file with the weights")
    command.add_argument(
        "--layer", type=int, metavar="N", help="block to read after, 1 is the first (default: last)"
    )
    command.add_argument("--pooling", choices=("cls", "mean"), default="cls")
    command.add_argument(
        "--sae", type=Path, metavar="DIR", help="SAE folder (default: the project's own that fits)"
    )
    command.add_argument(
        "--mpp", type=float, metavar="X", help="pixel size in um per px, where the file lacks it"
    )
    command.add_argument("--tile-px", type=int, default=224)
    command.add_argument("--tile-mpp", type=float, default=0.5, help="um per px of the tiles")
    command.add_argument(
        "--stride-px", type=int, help="step between tiles in px of the tile (default: its width)"
    )
    command.add_argument("--min-tissue", type=float, default=0.25, help="share of a tile that must be tissue")
    _device(command)

    command = _add(groups, "train", commands.train, "train an SAE on the project's embeddings")
    _project(command)
    command.add_argument("--expansion", type=int, default=8, help="features per embedding dimension")
    command.add_argument(
        "--l1", type=float, metavar="X", help="lambda (default: steered to about 32 active features)"
    )
    command.add_argument(
        "--epochs", type=int, metavar="N", help="passes over the tiles (default: about 3,000 steps)"
    )
    command.add_argument("--seed", type=int, default=0)
    command.add_argument("--out", type=Path, required=True, metavar="SAE_DIR")
    _device(command)

    cells = _add(groups, "cells", None, "cells of a slide")
    actions = cells.add_subparsers(metavar="ACTION", required=True)
    command = _add(
        actions, "import", commands.cells_import, "read a QuPath GeoJSON, CSV, TSV or Parquet file"
    )
    command.add_argument("slide", type=Path, metavar="SLIDE")
    command.add_argument("file", type=Path, metavar="FILE")
    _project(command)
    command.add_argument(
        "--mpp", type=float, metavar="X", help="pixel size in um per px, where the slide lacks it"
    )

    command = _add(groups, "correlate", commands.correlate, "all features against all cell types")
    _project(command)
    command.add_argument("--out", type=Path, metavar="FILE", help=".csv, .tsv or .parquet")
    command.add_argument("--bootstraps", type=int, default=2000, metavar="N")
    command.add_argument("--permutations", type=int, default=999, metavar="N")
    command.add_argument(
        "--block-um", type=float, default=1000.0, help="edge of a spatial block, few slides only"
    )
    command.add_argument("--seed", type=int, default=0)

    command = _add(groups, "features", commands.features, "the table of features of the current analysis")
    _project(command)
    command.add_argument("--out", type=Path, metavar="FILE", help=".csv, .tsv or .parquet")

    annotate = _add(groups, "annotate", None, "names and notes of features")
    actions = annotate.add_subparsers(metavar="ACTION", required=True)
    command = _add(actions, "set", commands.annotate_set, "name or grade a feature")
    command.add_argument("feature", type=int, metavar="FEATURE")
    _project(command)
    command.add_argument("--name")
    command.add_argument("--description")
    command.add_argument("--tags", help="separated by commas")
    command.add_argument("--confidence", type=int, choices=range(1, 6))
    command.add_argument("--status", choices=("unseen", "draft", "reviewed", "rejected"))
    command.add_argument("--author")
    command = _add(actions, "list", commands.annotate_list, "all annotated features")
    _project(command)
    command = _add(actions, "export", commands.annotate_export, "write .json (complete) or .csv")
    command.add_argument("file", type=Path, metavar="FILE")
    _project(command)
    command = _add(actions, "import", commands.annotate_import, "read a .json export; conflicts are reported")
    command.add_argument("file", type=Path, metavar="FILE")
    _project(command)

    command = _add(groups, "heatmap", commands.heatmap_png, "a picture of one feature on a slide")
    command.add_argument("slide", type=Path, metavar="SLIDE")
    command.add_argument("feature", type=int, metavar="FEATURE")
    _project(command)
    command.add_argument("--out", type=Path, required=True, metavar="FILE.png")

    _add(groups, "doctor", commands.doctor, "what this machine offers the program")
    return parser


def _add(
    groups: Any, name: str, run: Callable[[argparse.Namespace], commands.Answer] | None, words: str
) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = groups.add_parser(name, help=words, description=words)
    if run is not None:
        command.set_defaults(run=run)
        command.add_argument("--json", action="store_true", help="print one JSON object on standard output")
    return command


def _project(command: argparse.ArgumentParser) -> None:
    command.add_argument("--project", type=Path, required=True, metavar="DIR")


def _device(command: argparse.ArgumentParser) -> None:
    command.add_argument("--device", default="auto", choices=("auto", "cuda", "mps", "cpu"))


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, Path):
        return str(value)
    raise TypeError(type(value).__name__)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code: 0, 1 for an error, 130 when cancelled."""
    options = build_parser().parse_args(arguments)
    as_json = bool(getattr(options, "json", False))
    # A supervisor's "terminate" should clean up just as Ctrl+C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        answer = options.run(options)
    except CancelledError as error:
        return _complain(error, as_json, EXIT_CANCELLED)
    except SparsescopeError as error:
        return _complain(error, as_json, EXIT_ERROR)
    except KeyboardInterrupt:
        stopped = CancelledError("Stopped.", "What was finished is kept; give the same command to go on.")
        return _complain(stopped, as_json, EXIT_CANCELLED)
    if as_json:
        print(json.dumps(answer.data, default=_plain, allow_nan=False))
    elif answer.text:
        print(answer.text)
    return int(answer.code)


def _complain(error: SparsescopeError, as_json: bool, code: int) -> int:
    if as_json:
        print(json.dumps({"error": error.kind, "sentence": error.sentence, "hint": error.hint}))
    print(f"sparsescope: {error.sentence}\n  {error.hint}".rstrip(), file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
