"""Every command of the window as data: menus, command palette, shortcuts and `help/keys.md` are made from it.

A new command is one entry here and one `menus.requested(id).connect(...)` where it is carried out. A key is changed here alone.
`python -m desktop_app.widgets.shell.commands` prints the page of keys.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Value = bool | int | float | str | None
State = Literal["", "undo", "redo"]


@dataclass(frozen=True)
class Command:
    """One entry of a menu.

    Attributes
    ----------
    id
        What it is known by; several commands may share one and differ in `value`.
    text
        Its name in menu and palette.
    menu
        Where it stands: the title of a menu, and after a slash that of a submenu.
    key
        Its shortcut, as Qt writes it portably.
    does
        What the page of keys says of it, "" for `text`.
    value
        Sent with the request: the page of a help entry, the number of a grade.
    checked
        At the start, for a command that is switched on and off; None for one that is not.
    mode
        Ticked only to show a mode that is on, which ends elsewhere, too.
    label
        Its name in its menu, where that differs from `text`.
    enabled_by
        The state that enables it, "" for always.
    separated
        Whether a line stands above it.
    """

    id: str
    text: str
    menu: str
    key: str = ""
    does: str = ""
    value: Value = None
    checked: bool | None = None
    mode: bool = False
    label: str = ""
    enabled_by: State = ""
    separated: bool = False


MENUS: Final = {
    "File": "&File", "Edit": "&Edit", "View": "&View", "Slide": "&Slide", "Features": "Featu&res", "Cells": "&Cells",
    "Analysis": "&Analysis", "Tools": "&Tools", "Help": "&Help",
}  # fmt: skip
"""The menus in their order, with the key of each."""

_GRADES: Final = {1: "1 – a guess", 5: "5 – certain"}

COMMANDS: Final = (
    Command("open_slide", "Open slide…", "File", "Ctrl+O", "open a slide"),
    Command("new_project", "New project…", "File", "Ctrl+N", "new project", separated=True),
    Command("open_project", "Open project…", "File", "Ctrl+Shift+O", "open a project"),
    Command("export_features", "Export feature table…", "File", separated=True),
    Command("export_correlations", "Export correlations…", "File"),
    Command("export_anndata", "Export tiles and features (AnnData)…", "File"),
    Command("export_tiles", "Export tiles for QuPath…", "File"),
    Command("export_methods", "Export methods text…", "File"),
    Command("export_annotations", "Export annotations…", "File"),
    Command("import_annotations", "Import annotations…", "File"),
    Command("export_view", "Export view as picture…", "File", "Ctrl+S", "export the view as a picture"),
    Command("export_atlas", "Export feature atlas…", "File"),
    Command("report", "Export report…", "File"),
    Command("quit", "Quit", "File", "Ctrl+Q", separated=True),
    Command("undo", "Undo", "Edit", "Ctrl+Z", "undo the last change to a feature", enabled_by="undo"),
    Command("redo", "Redo", "Edit", "Ctrl+Shift+Z", "redo it; also `Ctrl+Y`", enabled_by="redo"),
    Command("fit", "Fit the slide", "View", "Ctrl+0", "show the whole slide; also `Ctrl+R`"),
    Command("go_to", "Go to position…", "View", "Ctrl+G", "go to a position: x, y in µm"),
    Command("heatmap", "Heat map", "View", "H", "heat map on or off; hold the key for a look without it",
            checked=True, separated=True),
    Command("opacity", "Fainter heat map", "View", "[", value=-1),
    Command("opacity", "Stronger heat map", "View", "]", value=1),
    Command("inside", "Token map of visible tiles", "View", "T",
            "token map: the feature inside the visible tiles, one value for each token of the encoder", checked=False),
    Command("cells", "Cells", "View", "A", "cells on or off: outlines when zoomed in, points, density when zoomed out",
            checked=False),
    Command("tissue", "Tissue outline", "View", "G", "tissue outline on or off", checked=False),
    Command("regions", "Regions", "View", checked=True),
    Command("tile_grid", "Tile grid", "View", "Shift+G", "tile grid on or off", checked=False),
    Command("second", "Second view", "View/Second view", "D", "second view on or off", checked=False, separated=True),
    Command("second_slide", "Second view: slide only", "View/Second view"),
    Command("second_feature", "Second view: this feature", "View/Second view"),
    Command("second_close", "Close the second view", "View/Second view"),
    Command("turn", "Rotate left by 90°", "View/Rotate", value=-90.0),
    Command("turn", "Rotate right by 90°", "View/Rotate", value=90.0),
    Command("angle", "Rotate…", "View/Rotate"),
    Command("upright", "Reset rotation", "View/Rotate"),
    Command("overview", "Overview", "View", "O", "overview on or off", checked=True, separated=True),
    Command("legend", "Legend on the slide", "View", "L", "legend on or off", checked=True),
    Command("light", "Light theme", "View", checked=False, separated=True),
    Command("text_size", "Larger text", "View", "Ctrl+=", value=1),
    Command("text_size", "Smaller text", "View", "Ctrl+-", value=-1),
    Command("napari_layers", "napari's layer list", "View", checked=False, separated=True),
    Command("open_slide", "Add slide…", "Slide"),
    Command("pixel_size", "Pixel size…", "Slide"),
    Command("slide_information", "Slide information…", "Slide"),
    Command("import_slide_table", "Import slide table…", "Slide"),
    Command("next_feature", "Next feature", "Features", "J"),
    Command("previous_feature", "Previous feature", "Features", "K"),
    Command("search", "Search the features…", "Features", "/", "search for a feature"),
    Command("fires_here", "Features at the pointer", "Features", "I", "features active in the tile under the pointer"),
    Command("feature_map", "Map of all features", "Features", "M", separated=True),
    Command("name", "Name the feature", "Features", "N", "name the feature; `Enter` returns to the table"),
    *(Command("confidence", f"Confidence {grade}", "Features/Confidence", str(grade), value=grade,
              does="confidence, from a guess (1) to certain (5)" if grade == 1 else "-",
              label=_GRADES.get(grade, str(grade))) for grade in range(1, 6)),
    Command("together", "Overlay in own colour", "Features", "C",
            "overlay the feature in its own colour, with up to two others; again: remove it"),
    Command("alone", "Show one feature only", "Features"),
    Command("bookmark", "Bookmark", "Features", "B", "bookmark the feature, or remove the bookmark"),
    Command("example", "Mark tile as example", "Features", "E", "mark the selected tile as an example of the feature"),
    Command("accept", "Accept and go to next unnamed", "Features", "Return",
            "accept (reviewed, if the feature has a name) and go to the next feature without a name"),
    Command("vocabulary", "Vocabulary of concepts…", "Features"),
    Command("import_cells", "Import cells…", "Cells"),
    Command("import_values", "Import point measurements…", "Cells"),
    Command("imports", "Cell imports…", "Cells"),
    Command("type_names", "Rename cell types…", "Cells"),
    Command("detect", "Detect nuclei…", "Cells", separated=True),
    Command("cell_mode", "Label nuclei", "Cells", value="type", mode=True),
    Command("train_types", "Train classifier on labelled nuclei", "Cells"),
    Command("cell_mode", "Edit cells", "Cells", value="edit", mode=True, separated=True),
    Command("select_in_region", "Select the cells in the region", "Cells"),
    Command("delete_cells", "Delete the selected cells", "Cells"),
    Command("cell_history", "Cell edit history…", "Cells"),
    Command("analyze", "Analyse the slide…", "Analysis"),
    Command("train", "Train a sparse autoencoder…", "Analysis"),
    Command("correlate", "Correlate features with cells", "Analysis"),
    Command("correlate_options", "Correlate with options…", "Analysis"),
    Command("studies", "Studies", "Analysis"),
    Command("tool", "Draw a polygon", "Tools", "P", value="polygon"),
    Command("tool", "Draw a rectangle", "Tools", "R", value="rectangle"),
    Command("tool", "Brush", "Tools", "W", "draw with the brush", value="brush"),
    Command("stop_drawing", "Stop drawing", "Tools", "Esc", "-"),
    Command("region_fires", "Features in the region", "Tools", separated=True),
    Command("region_example", "Mark region as example", "Tools"),
    Command("export_regions", "Export regions…", "Tools", separated=True),
    Command("import_regions", "Import regions…", "Tools"),
    Command("guide", "Getting started", "Help", "F1", "help", value="getting_started"),
    Command("guide", "Viewing a feature", "Help", value="features"),
    Command("guide", "Annotating features", "Help", value="annotating"),
    Command("guide", "Viewing the slide", "Help", value="viewer"),
    Command("guide", "Working with cells", "Help", value="cells"),
    Command("guide", "Correlating features with cells", "Help", value="correlations"),
    Command("guide", "Study guide", "Help", value="studies", label="Studies"),
    Command("guide", "What the numbers mean", "Help", value="what_numbers_mean"),
    Command("guide", "Scoreboard: how well it works", "Help", value="scoreboard"),
    Command("guide", "Use from Python", "Help", value="notebook"),
    Command("guide", "Keys and mouse", "Help", "?", "this page", value="keys"),
    Command("palette", "All commands…", "Help", "Ctrl+P", "all commands, found by typing part of the name"),
    Command("about", "About Sparsescope", "Help", separated=True),
)  # fmt: skip

_SLIDE_ROWS: Final = (
    ("slide", "wheel", "zoom at the pointer"),
    ("slide", "drag", "move"),
    ("slide", "click", "features active in the tile under the pointer"),
)
_OTHER_ROWS: Final = (
    ("drawing", "`Esc`", "discard the unfinished shape; again: stop drawing"),
    ("drawing", "`Enter`, double click", "close the polygon; `Backspace` removes its last corner"),
    ("drawing", "`+`, `-`", "larger, smaller brush; hold `Alt` or `Ctrl` to erase"),
    ("drawing", "`Space` and drag, middle button", "move the slide"),
    ("labelling, editing cells", "click", "label the nucleus; select the cell, `Shift` for more, or add one where there is none"),
    ("labelling, editing cells", "`1` to `9`, `Del`, `Esc`", "that cell type, delete the selected cells, clear the selection or leave"),
    ("feature table", "up, down", "previous, next feature"),
    ("dialogs", "`Esc`", "close without a change"),
)  # fmt: skip


def keys_page() -> str:
    """The help page of keys and mouse, in Markdown."""
    rows = [("window", f"`{c.key}`", c.does or _lower(c.text)) for c in COMMANDS if c.key and c.does != "-"]
    rows = [
        (where, key.replace("Return", "Enter") if key != "`1`" else "`1` to `5`", does)
        for where, key, does in rows
    ]
    lines = [
        "# Keys and mouse",
        "",
        "| where | key | does |",
        "|---|---|---|",
        *(f"| {where} | {key} | {does} |" for where, key, does in (*_SLIDE_ROWS, *rows, *_OTHER_ROWS)),
        "",
        "napari's keys that delete, add, transform or turn the view to 3-D are switched off. In a text field, letters are",
        "typed as letters.",
    ]
    return "\n".join(lines) + "\n"


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:].rstrip("…")


if __name__ == "__main__":
    print(keys_page(), end="")
