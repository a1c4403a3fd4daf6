"""The command line: every job without a window, and the ways to open one."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, is_dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, NoReturn

from desktop_app import commands
from sae_backend.client import Backend, WorkerClient
from sae_backend.errors import CacheError, CancelledError, SparsescopeError, UserInputError

EXIT_ERROR = 1
EXIT_USAGE = 2
EXIT_CANCELLED = 130


class _UsageError(UserInputError):
    """The command line itself is wrong."""

    @property
    def kind(self) -> str:
        return UserInputError.__name__


class _Parser(argparse.ArgumentParser):
    """A parser that complains as the rest of the program does: a sentence and a hint."""

    def error(self, message: str) -> NoReturn:
        raise _UsageError(f"{message[0].upper()}{message[1:]}.", f"See {self.prog} --help.")


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number") from error


def _natural(text: str) -> int:
    number = _whole(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"{text!r} is below 0")
    return number


def _feature_numbers(text: str) -> list[int]:
    return [_natural(part.strip()) for part in text.split(",")]


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number (write 0.5, with a point)") from error


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    parser = _Parser(
        prog="sparsescope",
        description="See what a pathology foundation model has learned: "
        "sparse-autoencoder features on whole-slide images.",
        epilog="Without a command the window opens on its start page.",
    )
    parser.add_argument("--version", action="version", version=metadata.version("sparsescope"))
    parser.add_argument("--json", action="store_true", help="print one JSON object on standard output")
    parser.set_defaults(run=commands.start_page)
    groups = parser.add_subparsers(metavar="COMMAND", title="commands")

    command = _add(groups, "open", commands.open_window, "the window with a slide")
    command.add_argument("slide", type=Path, metavar="SLIDE", help="a slide, or a plain JPEG, PNG or TIFF")
    command.add_argument("--project", type=Path, metavar="DIR", help="the project to put it in")
    command.add_argument(
        "--mpp", type=_number, metavar="X", help="pixel size in um per px, where the file lacks it"
    )

    command = _add(groups, "demo", commands.demo, "the embedded demo, offline")
    command.add_argument(
        "--headless",
        action="store_true",
        help="no window, as where there is no display: a folder with report and pictures",
    )
    command.add_argument("--out", type=Path, metavar="DIR", default=Path("sparsescope-demo"),
                         help="where it goes (default: sparsescope-demo)")  # fmt: skip
    command.add_argument("--scoreboard", action="store_true",
                         help="no demo: does the tool find what is there, and only that? Some minutes")  # fmt: skip
    command.add_argument("--field", type=Path, metavar="IMAGE", help="also score this real field")
    command.add_argument("--field-cells", type=Path, metavar="FILE", help="the cells of the real field")
    command.add_argument(
        "--field-mpp", type=_number, metavar="X", help="its um per px, where the file lacks it"
    )

    command = _add(groups, "analyze", commands.analyze, "embed a slide's tiles and encode them with an SAE")
    command.add_argument("slide", type=Path, metavar="SLIDE", help="a slide, or a plain JPEG, PNG or TIFF")
    _project(command)
    command.add_argument("--encoder", default="control:random-vit", metavar="ID",
                         help="timm:<architecture>, sparsescope:small-vit (ships with the program), or "
                         "control:random-vit (random weights, a control; default)")  # fmt: skip
    command.add_argument("--weights", type=Path, metavar="FILE", help="safetensors file with the weights")
    command.add_argument(
        "--layer", type=_whole, metavar="N", help="block to read after, 1 is the first (default: last)"
    )
    command.add_argument("--pooling", choices=("cls", "mean"),
                         help="CLS token or mean of the patch tokens (default: cls where there is one)")  # fmt: skip
    command.add_argument(
        "--sae", type=Path, metavar="DIR", help="SAE folder (default: the project's own that fits)"
    )
    command.add_argument(
        "--mpp", type=_number, metavar="X", help="pixel size in um per px, where the file lacks it"
    )
    command.add_argument(
        "--tile-px", type=_whole, default=224, metavar="N", help="edge of a tile in px (default: 224)"
    )
    command.add_argument(
        "--tile-mpp", type=_number, default=0.5, metavar="X", help="um per px of the tiles (default: 0.5)"
    )
    command.add_argument(
        "--stride-px",
        type=_whole,
        metavar="N",
        help="step between tiles in px of the tile (default: its width)",
    )
    command.add_argument("--min-tissue", type=_number, default=0.25, metavar="SHARE",
                         help="share of a tile that must be tissue, 0 to 1 (default: 0.25)")  # fmt: skip
    _device(command)

    command = _add(groups, "train", commands.train, "train an SAE on the project's embeddings")
    _project(command)
    command.add_argument(
        "--expansion",
        type=_whole,
        default=8,
        metavar="N",
        help="features per embedding dimension (default: 8)",
    )
    command.add_argument(
        "--l1", type=_number, metavar="X", help="lambda (default: steered to about 32 active features)"
    )
    command.add_argument(
        "--epochs", type=_whole, metavar="N", help="passes over the tiles (default: about 3,000 steps)"
    )
    _seed(command)
    command.add_argument("--whiten", action="store_true",
                         help="give all directions of the vectors the same weight, for rare and faint things")  # fmt: skip
    command.add_argument("--out", type=Path, required=True, metavar="SAE_DIR", help="new folder for the SAE")
    _device(command)

    cells = _add(groups, "cells", None, "cells of a slide")
    actions = cells.add_subparsers(metavar="ACTION", required=True)
    command = _add(
        actions, "import", commands.cells_import, "read a QuPath GeoJSON, CSV, TSV or Parquet file"
    )
    command.add_argument("slide", type=Path, metavar="SLIDE", help="a slide, or a plain JPEG, PNG or TIFF")
    command.add_argument("file", type=Path, metavar="FILE")
    _project(command)
    command.add_argument(
        "--mpp", type=_number, metavar="X", help="pixel size in um per px, where the slide lacks it"
    )

    command = _add(groups, "correlate", commands.correlate, "all features against all cell types")
    _project(command)
    command.add_argument("--out", type=Path, metavar="FILE", help=".csv, .tsv or .parquet")
    command.add_argument(
        "--bootstraps", type=_whole, default=2000, metavar="N", help="draws for the intervals (default: 2000)"
    )
    command.add_argument(
        "--permutations", type=_whole, default=999, metavar="N", help="exchanges for p and q (default: 999)"
    )
    command.add_argument("--block-um", type=_number, default=1000.0, metavar="UM",
                         help="edge of a spatial block, which stands in for a slide where there are few "
                         "(default: 1000)")  # fmt: skip
    _seed(command)

    command = _add(groups, "features", commands.features, "the table of features of the current analysis")
    _project(command)
    command.add_argument("--out", type=Path, metavar="FILE", help=".csv, .tsv or .parquet")

    annotate = _add(groups, "annotate", None, "names and notes of features")
    actions = annotate.add_subparsers(metavar="ACTION", required=True)
    command = _add(actions, "set", commands.annotate_set, "name or grade a feature")
    command.add_argument("feature", type=_natural, metavar="FEATURE", help="number of the feature, from 0")
    _project(command)
    command.add_argument("--name", metavar="TEXT", help="short name")
    command.add_argument("--description", metavar="TEXT", help="what it shows, in full")
    command.add_argument("--tags", metavar="A,B", help="tags, separated by commas; they replace the old ones")
    command.add_argument("--confidence", type=_whole, choices=range(1, 6), help="1 (a guess) to 5 (certain)")
    command.add_argument(
        "--status", choices=("unseen", "draft", "reviewed", "rejected"), help="how far the work on it is"
    )
    command.add_argument("--author", metavar="NAME", help="who says so (default: your user name)")
    command = _add(actions, "list", commands.annotate_list, "all annotated features")
    _project(command)
    command = _add(
        actions, "export", commands.annotate_export, "write .json (complete), .csv, or .jsonl (with numbers)"
    )
    command.add_argument("file", type=Path, metavar="FILE")
    _project(command)
    command = _add(
        actions, "import", commands.annotate_import, "read a .json or .jsonl export; conflicts are reported"
    )
    command.add_argument("file", type=Path, metavar="FILE")
    _project(command)

    command = _add(groups, "heatmap", commands.heatmap_png, "a picture of one feature on a slide")
    command.add_argument("slide", type=Path, metavar="SLIDE", help="a slide, or a plain JPEG, PNG or TIFF")
    command.add_argument("feature", type=_natural, metavar="FEATURE", help="number of the feature, from 0")
    _project(command)
    command.add_argument("--out", type=Path, required=True, metavar="FILE.png", help="the picture")

    command = _add(groups, "atlas", commands.atlas, "a page a feature, for reading and printing")
    command.add_argument("project", type=Path, metavar="PROJECT", help="folder of the project")
    command.add_argument(
        "--out", type=Path, required=True, metavar="FILE", help=".html (one file) or .pdf (A4)"
    )
    which = command.add_mutually_exclusive_group()
    which.add_argument("--list", metavar="NAME", help="the features of this list")
    which.add_argument(
        "--features", type=_feature_numbers, metavar="1,2,3", help="these features, in this order"
    )
    which.add_argument("--all", action="store_true",
                       help="all that fire on the slide (default: those that somebody named or commented on)")  # fmt: skip

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
    command.add_argument("--project", type=Path, required=True, metavar="DIR", help="folder of the project")


def _seed(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--seed",
        type=_natural,
        default=0,
        metavar="N",
        help="decides all that is drawn at random (default: 0)",
    )


def _device(command: argparse.ArgumentParser) -> None:
    command.add_argument("--device", default="auto", choices=("auto", "cuda", "mps", "cpu"),
                         help="where to compute (default: auto, the fastest there is)")  # fmt: skip


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, Path):
        return str(value)
    raise TypeError(type(value).__name__)


def main(arguments: Sequence[str] | None = None, make_backend: Callable[[], Backend] = WorkerClient) -> int:
    """Run one command.

    Parameters
    ----------
    arguments
        Words after the program's name; None takes those it was started with.
    make_backend
        Makes what runs the jobs; it is closed when the command ends.

    Returns
    -------
    int
        Exit code: 0, 1 for an error, 2 for a command line that makes no sense, 130 when cancelled.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    as_json = "--json" in words
    # A supervisor's "terminate" should clean up just as Ctrl+C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        options = build_parser().parse_args(words)
        options.make_backend = make_backend
        answer = options.run(options)
        _print(answer, as_json)
    except _UsageError as error:
        return _complain(error, as_json, EXIT_USAGE)
    except CancelledError as error:
        return _complain(error, as_json, EXIT_CANCELLED)
    except SparsescopeError as error:
        return _complain(error, as_json, EXIT_ERROR)
    except KeyboardInterrupt:
        stopped = CancelledError("Stopped.", "What was finished is kept; give the same command to go on.")
        return _complain(stopped, as_json, EXIT_CANCELLED)
    except BrokenPipeError:
        # The reader (head, less) has enough. Python would complain once more while it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_ERROR
    except OSError as error:
        refused = CacheError(
            f"{error.filename or 'A file'} cannot be used: {error.strerror}.",
            "Check the path, its permissions and the free space; what was finished is kept.",
        )
        return _complain(refused, as_json, EXIT_ERROR)
    return int(answer.code)


def _print(answer: commands.Answer, as_json: bool) -> None:
    if as_json:
        print(json.dumps(answer.data, default=_plain, allow_nan=False))
    elif answer.text:
        print(answer.text)
    sys.stdout.flush()


def _complain(error: SparsescopeError, as_json: bool, code: int) -> int:
    if as_json:
        print(json.dumps({"error": error.kind, "sentence": error.sentence, "hint": error.hint}))
    print(f"sparsescope: {error.sentence}\n  {error.hint}".rstrip(), file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
