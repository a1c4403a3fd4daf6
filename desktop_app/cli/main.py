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

from desktop_app.cli import answers as commands
from desktop_app.cli import arguments
from desktop_app.cli import cells as cells_command
from desktop_app.cli import correlate as correlate_command
from desktop_app.cli import export as export_command
from desktop_app.cli import report as report_command
from desktop_app.cli import slides as slides_command
from desktop_app.cli import study as study_command
from sae_backend.errors import CacheError, CancelledError, SparsescopeError, UserInputError
from sae_backend.worker.client import Backend, WorkerClient

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

    command = arguments.add(groups, "open", commands.open_window, "the window with a slide")
    command.add_argument("slide", type=Path, metavar="SLIDE", help="a slide, or a plain JPEG, PNG or TIFF")
    command.add_argument("--project", type=Path, metavar="DIR", help="the project to put it in")
    command.add_argument(
        "--mpp", type=arguments.number, metavar="X", help="pixel size in um per px, where the file lacks it"
    )

    command = arguments.add(groups, "demo", commands.demo, "the embedded demo, offline")
    command.add_argument(
        "--headless",
        action="store_true",
        help="no window, as where there is no display: a folder with report and pictures",
    )
    command.add_argument("--out", type=Path, metavar="DIR", default=Path("sparsescope-demo"),
                         help="where it goes (default: sparsescope-demo)")  # fmt: skip
    command.add_argument("--scoreboard", action="store_true",
                         help="no demo: score how well known cells are found, and how often chance is claimed; some minutes")  # fmt: skip
    command.add_argument("--cohort", action="store_true",
                         help="no demo slide: a project of 60 generated slides of 26 patients, for the studies; "
                         "some minutes")  # fmt: skip
    command.add_argument("--field", type=Path, metavar="IMAGE", help="also score this real field")
    command.add_argument("--field-cells", type=Path, metavar="FILE", help="the cells of the real field")
    command.add_argument(
        "--field-mpp", type=arguments.number, metavar="X", help="its um per px, where the file lacks it"
    )

    command = arguments.add(
        groups, "analyze", commands.analyze, "embed a slide's tiles and encode them with an SAE"
    )
    command.add_argument("slide", type=Path, metavar="SLIDE", help="a slide, or a plain JPEG, PNG or TIFF")
    arguments.project(command)
    command.add_argument("--encoder", default="control:random-vit", metavar="ID",
                         help="timm:<architecture>, sparsescope:small-vit (ships with the program), or "
                         "control:random-vit (random weights, a control; default)")  # fmt: skip
    command.add_argument("--weights", type=Path, metavar="FILE", help="safetensors file with the weights")
    command.add_argument(
        "--layer",
        type=arguments.whole,
        metavar="N",
        help="transformer block to read, 1 is the first (default: last)",
    )
    command.add_argument("--pooling", choices=("cls", "mean"),
                         help="CLS token or mean of the patch tokens (default: cls where there is one)")  # fmt: skip
    command.add_argument(
        "--sae", type=Path, metavar="DIR", help="SAE folder (default: the project's own that fits)"
    )
    command.add_argument(
        "--mpp", type=arguments.number, metavar="X", help="pixel size in um per px, where the file lacks it"
    )
    command.add_argument(
        "--tile-px",
        type=arguments.whole,
        default=224,
        metavar="N",
        help="edge of a tile in px (default: 224)",
    )
    command.add_argument(
        "--tile-mpp",
        type=arguments.number,
        default=0.5,
        metavar="X",
        help="um per px of the tiles (default: 0.5)",
    )
    command.add_argument(
        "--stride-px",
        type=arguments.whole,
        metavar="N",
        help="step between tiles in px of the tile (default: its width)",
    )
    command.add_argument("--min-tissue", type=arguments.number, default=0.25, metavar="SHARE",
                         help="share of a tile that must be tissue, 0 to 1 (default: 0.25)")  # fmt: skip
    arguments.device(command)

    command = arguments.add(groups, "train", commands.train, "train an SAE on the project's embeddings")
    arguments.project(command)
    command.add_argument(
        "--expansion",
        type=arguments.whole,
        default=8,
        metavar="N",
        help="features per embedding dimension (default: 8)",
    )
    command.add_argument(
        "--l1",
        type=arguments.number,
        metavar="X",
        help="lambda (default: steered to about 32 active features)",
    )
    command.add_argument(
        "--epochs",
        type=arguments.whole,
        metavar="N",
        help="passes over the tiles (default: about 3,000 steps)",
    )
    arguments.seed(command)
    command.add_argument("--whiten", action="store_true",
                         help="whiten the vectors first, which helps rare and faint features")  # fmt: skip
    command.add_argument("--out", type=Path, required=True, metavar="SAE_DIR", help="new folder for the SAE")
    arguments.device(command)

    cells_command.add_parser(groups)
    correlate_command.add_parser(groups)
    study_command.add_parser(groups)
    report_command.add_parser(groups)
    export_command.add_parser(groups)
    slides_command.add_parser(groups)

    command = arguments.add(
        groups, "features", commands.features, "the table of features of the current analysis"
    )
    arguments.project(command)
    command.add_argument("--out", type=Path, metavar="FILE", help=".csv, .tsv or .parquet")

    annotate = arguments.add(groups, "annotate", None, "names and annotations of features")
    actions = annotate.add_subparsers(metavar="ACTION", required=True)
    command = arguments.add(actions, "set", commands.annotate_set, "name or grade a feature")
    command.add_argument(
        "feature", type=arguments.natural, metavar="FEATURE", help="number of the feature, from 0"
    )
    arguments.project(command)
    arguments.annotation_fields(command)
    command.add_argument("--author", metavar="NAME", help="author (default: your user name)")
    command = arguments.add(actions, "list", commands.annotate_list, "all annotated features")
    arguments.project(command)
    command = arguments.add(
        actions, "export", commands.annotate_export, "write .json (complete), .csv, or .jsonl (with numbers)"
    )
    command.add_argument("file", type=Path, metavar="FILE")
    arguments.project(command)
    command = arguments.add(
        actions, "import", commands.annotate_import, "read a .json or .jsonl export; conflicts are reported"
    )
    command.add_argument("file", type=Path, metavar="FILE")
    arguments.project(command)

    command = arguments.add(groups, "heatmap", commands.heatmap_png, "a picture of one feature on a slide")
    command.add_argument("slide", type=Path, metavar="SLIDE", help="a slide, or a plain JPEG, PNG or TIFF")
    command.add_argument(
        "feature", type=arguments.natural, metavar="FEATURE", help="number of the feature, from 0"
    )
    arguments.project(command)
    command.add_argument("--out", type=Path, required=True, metavar="FILE.png", help="the picture")

    command = arguments.add(groups, "atlas", commands.atlas, "one page per feature, for reading and printing")
    command.add_argument("project", type=Path, metavar="PROJECT", help="folder of the project")
    command.add_argument(
        "--out", type=Path, required=True, metavar="FILE", help=".html (one file) or .pdf (A4)"
    )
    which = command.add_mutually_exclusive_group()
    which.add_argument("--list", metavar="NAME", help="the features of this list")
    which.add_argument(
        "--features", type=arguments.feature_numbers, metavar="1,2,3", help="these features, in this order"
    )
    which.add_argument("--all", action="store_true",
                       help="all that fire on the slide (default: those that somebody named or commented on)")  # fmt: skip

    arguments.add(
        groups, "doctor", commands.doctor, "check this machine: device, display, libraries, folders"
    )
    return parser


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
        stopped = CancelledError("Stopped.", "Finished work is kept; run the same command again to continue.")
        return _complain(stopped, as_json, EXIT_CANCELLED)
    except BrokenPipeError:
        # The reader (head, less) has enough. Python would complain once more while it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_ERROR
    except OSError as error:
        refused = CacheError(
            f"{error.filename or 'A file'} cannot be used: {error.strerror}.",
            "Check the path, its permissions and the free space; finished work is kept.",
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
