"""The scoreboard in words, as a table and as a picture."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Final

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from desktop_app.demo.scoreboard import COLOUR_NAME, CONTROL_NAME, PCA_NAME, RAW_NAME, Scoreboard
from sae_backend.atomic_write import disk_errors, write_text_atomic
from sae_backend.models.bundled_models import SAE_NAME
from sae_backend.statistics.number_text import r_text
from sae_backend.studies.scoreboard.scoreboard import Score, margins, table

_COLOURS: Final = {
    SAE_NAME: "#0072B2",
    RAW_NAME: "#56B4E9",
    PCA_NAME: "#009E73",
    CONTROL_NAME: "#D55E00",
    COLOUR_NAME: "#999999",
}
_WANTED_R: Final = 0.7
_R_AXIS: Final = (-0.4, 1.0)
_HEADING: Final = 0.55
_WANTED_MARGIN: Final = 0.10


def write_scoreboard(board: Scoreboard, out: Path) -> str:
    """Write `scoreboard.csv`, `scoreboard.png` and `scoreboard.json`; returns the words for a terminal.

    Raises
    ------
    CacheError
        When the folder cannot be written.
    """
    columns = table(board.scores)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    words = scoreboard_words(board)
    with disk_errors(out):
        out.mkdir(parents=True, exist_ok=True)
        write_text_atomic(out / "scoreboard.csv", text.getvalue())
        record = {"scores": columns, "null": board.null.to_json(), "words": words}
        write_text_atomic(out / "scoreboard.json", json.dumps(record, indent=1))
        write_text_atomic(out / "scoreboard.txt", words + "\n")
        (out / "scoreboard.png").write_bytes(scoreboard_png(board))
    return words


def _cell(row: Score | None) -> str:
    if row is None or row.r is None:
        return "not measurable"
    if row.ci_low is None or row.ci_high is None:
        return r_text(row.r)
    return f"{r_text(row.r)} [{r_text(row.ci_low)}, {r_text(row.ci_high)}]"


def scoreboard_words(board: Scoreboard) -> str:
    """The scoreboard as a table in text, with its n, unit and method."""
    by = {(row.target, row.representation): row for row in board.scores}
    first = board.scores[0]
    lines = [
        "Best single column for each target: Pearson r over tiles of held-out slides, 95 % interval from drawing slides.",
        f"Columns were chosen on {board.n_slides - first.n_slides} slides; these are the other {first.n_slides} "
        f"({first.n_tiles:,} tiles of 112 µm), each of another patient. All slides are generated.",
        "After “next”: the other target of the same kind that the column follows most, and its r.",
        "",
    ]
    names = list(_COLOURS)
    width = max(len(name) for name in names) + 2
    for kind in dict.fromkeys(row.kind for row in board.scores):
        lines += [kind.upper()]
        for target in dict.fromkeys(row.target for row in board.scores if row.kind == kind):
            lines.append(f"  {target}")
            for name in names:
                row = by.get((target, name))
                extra = ""
                if row is not None and row.column:
                    extra = f"   column {row.column} of {row.n_columns:,}"
                    if name == SAE_NAME and row.confused_r is not None:
                        extra += f"; next {row.confused_with} ({r_text(row.confused_r)})"
                lines.append(f"    {name:<{width}}{_cell(row):<24}{extra}")
        lines.append("")
    return "\n".join([*lines, *_verdict(board), "", null_words(board)])


def _verdict(board: Scoreboard) -> list[str]:
    types = [row for row in board.scores if row.kind == "cell type" and row.representation == SAE_NAME]
    reached = [row.target for row in types if row.r is not None and row.r >= _WANTED_R]
    missed = [row.target for row in types if row.target not in reached]
    above = margins([row for row in board.scores if row.kind == "cell type"], SAE_NAME, CONTROL_NAME)
    clear = [target for target, margin in above.items() if margin is not None and margin >= _WANTED_MARGIN]
    return [
        f"r of at least {_WANTED_R}: {len(reached)} of {len(types)} cell types"
        + (f"; not {', '.join(missed)}." if missed else "."),
        f"At least {_WANTED_MARGIN:.2f} above random weights: {len(clear)} of {len(types)} cell types.",
    ]


def null_words(board: Scoreboard) -> str:
    """What the null worlds gave, in words."""
    null = board.null
    low, high = null.interval()
    return (
        f"Null worlds: {null.worlds_with_claim} of {null.n_worlds} had any claim at the 5 % family-wise level "
        f"({null.share_of_worlds:.1%}, 95 % interval {low:.1%} to {high:.1%}; {null.share_of_types:.1%} of all types). "
        f"Each gives {null.n_slides} slides the cells of unrelated tissues and tests {null.n_features:,} features "
        f"with {null.n_permutations} exchanges of slides."
    )


def scoreboard_png(board: Scoreboard) -> bytes:
    """The scoreboard as bars with intervals, PNG."""
    targets = list(dict.fromkeys((row.kind, row.target) for row in board.scores))
    by = {(row.target, row.representation): row for row in board.scores}
    kinds = list(dict.fromkeys(kind for kind, _ in targets))
    # Each kind has a line of its own above its targets.
    place = np.array([k + _HEADING * (1 + kinds.index(kind)) for k, (kind, _) in enumerate(targets)])
    figure = Figure(figsize=(8.4, 0.44 * (place[-1] + 1) + 1.2), layout="constrained", dpi=130)
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    height = 0.8 / len(_COLOURS)
    for k, (name, colour) in enumerate(_COLOURS.items()):
        rows = [by.get((target, name)) for _, target in targets]
        at = place - 0.4 + (k + 0.5) * height
        values = [0.0 if row is None or row.r is None else row.r for row in rows]
        axes.barh(at, values, height * 0.92, color=colour, label=name)
        for y, row in zip(at, rows, strict=True):
            if row is not None and row.ci_low is not None and row.ci_high is not None:
                axes.plot([row.ci_low, row.ci_high], [y, y], color="black", linewidth=1)
    for kind in kinds:
        first = min(y for y, (own, _) in zip(place, targets, strict=True) if own == kind)
        axes.text(_R_AXIS[0] + 0.01, first - 0.62, kind, fontsize=8, fontweight="bold", va="center")
    axes.axvline(0, color="black", linewidth=0.8)
    axes.axvline(_WANTED_R, color="black", linewidth=0.8, linestyle=":")
    axes.set_yticks(place, [target for _, target in targets], fontsize=8)
    axes.set_ylim(place[-1] + 0.6, place[0] - 1.0)
    axes.set_xlim(*_R_AXIS)
    scored = board.scores[0]
    axes.set_xlabel(
        f"Pearson r of the best single column on {scored.n_slides} held-out slides, {scored.n_tiles:,} tiles; "
        "lines: 95 % interval over slides",
        fontsize=8,
    )
    axes.set_title("Does one feature follow what was drawn? Generated slides", loc="left", fontsize=10)
    figure.legend(fontsize=8, loc="outside lower center", ncols=3, frameon=False)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()
