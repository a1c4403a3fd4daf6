"""Words of the command line that several commands share: kinds of numbers, and options in common."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from desktop_app.store.records.annotation_records import FORM, AnnotationField


def whole(text: str) -> int:
    """Read a whole number."""
    try:
        return int(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number") from error


def natural(text: str) -> int:
    """Read a whole number, 0 or more."""
    value = whole(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"{text!r} is below 0")
    return value


def feature_numbers(text: str) -> list[int]:
    """Read numbers of features, separated by commas."""
    return [natural(part.strip()) for part in text.split(",")]


def number(text: str) -> float:
    """Read a number."""
    try:
        return float(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number (write 0.5, with a point)") from error


def add(
    groups: Any, name: str, run: Callable[[argparse.Namespace], Any] | None, words: str
) -> argparse.ArgumentParser:
    """Add a command, or with `run` None a group of commands."""
    command: argparse.ArgumentParser = groups.add_parser(name, help=words, description=words)
    if run is not None:
        command.set_defaults(run=run)
        command.add_argument("--json", action="store_true", help="print one JSON object on standard output")
    return command


def project(command: argparse.ArgumentParser) -> None:
    """Add the option that names the project."""
    command.add_argument("--project", type=Path, required=True, metavar="DIR", help="folder of the project")


def seed(command: argparse.ArgumentParser) -> None:
    """Add the option that decides what is drawn at random."""
    command.add_argument(
        "--seed",
        type=natural,
        default=0,
        metavar="N",
        help="random seed (default: 0)",
    )


def device(command: argparse.ArgumentParser) -> None:
    """Add the option that chooses the device."""
    command.add_argument("--device", default="auto", choices=("auto", "cuda", "mps", "cpu"),
                         help="where to compute (default: auto, the fastest available)")  # fmt: skip


def annotation_fields(command: argparse.ArgumentParser) -> None:
    """Add an option for each field of an annotation; one that is not given is not in the answer."""
    for known in FORM:
        option: dict[str, Any] = {"dest": known.name, "default": argparse.SUPPRESS, "help": known.help}
        match known.kind:
            case "flag":
                option["action"] = argparse.BooleanOptionalAction
            case "choice":
                option |= {"type": _choice_of(known), "metavar": f"{{{','.join(known.options())}}}"}
            case "tags":
                option |= {"type": _tags, "metavar": "A,B"}
            case _:
                option["metavar"] = "TEXT"
        command.add_argument(f"--{known.name.replace('_', '-')}", **option)


def _tags(text: str) -> tuple[str, ...]:
    return tuple(text.split(","))


def _choice_of(known: AnnotationField) -> Callable[[str], str | int | None]:
    def read(text: str) -> str | int | None:
        options = known.options()
        if text not in options:
            raise argparse.ArgumentTypeError(f"{text!r} is not one of {', '.join(options)}")
        return options[text]

    return read
