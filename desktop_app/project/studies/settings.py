"""The settings of each study as fields of a form: what they are called, and what may be put in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

from sae_backend.studies.framework.registry import study

FieldKind = Literal["column", "value", "whole", "numbers", "share", "yes", "choice", "saes", "encoders"]


@dataclass(frozen=True)
class Field:
    """One setting.

    Attributes
    ----------
    key
        Its name among the study's defaults.
    title
        What the form calls it.
    kind
        `column` of the slide table; `value` of the column in field `fact`; `whole` number; `numbers`, parted by
        commas; a `share` from 0 to 1; `yes` or no; one of `choices`; `saes` or `encoders` of the project.
    tip
        A sentence on it.
    choices
        For `choice`: value and words.
    empty
        What it means to leave it open, in a few words; they stand in the field.
    may_be_empty
        Whether it may be left open.
    least
        Smallest whole number.
    is_more
        Whether it is folded away until somebody asks for more settings.
    """

    key: str
    title: str
    kind: FieldKind
    tip: str = ""
    choices: tuple[tuple[str, str], ...] = ()
    empty: str = ""
    may_be_empty: bool = True
    least: int = 0
    is_more: bool = False


def _more(key: str, title: str, kind: FieldKind, tip: str, least: int = 0) -> Field:
    """A number that most leave as it is."""
    return Field(key, title, kind, tip, may_be_empty=False, least=least, is_more=True)


_SEED: Final = Field("seed", "Seed", "whole", "Decides all that is drawn at random.", may_be_empty=False)
_KNOWN: Final = {
    "layers": Field("layers", "Blocks", "numbers", "Such as 1, 4, 8, 12; empty for about six, evenly spread.", empty="about six"),
    "expansion": Field(
        "expansion", "Width of the SAE", "whole", "Features for each dimension of the vectors.",
        may_be_empty=False, least=1,
    ),
    "epochs": Field("epochs", "Epochs", "whole", "Passes over the tiles in training; empty for the usual.", empty="as usual", least=1),
    "feature": Field("feature", "Follow feature", "whole", "Empty for the one that follows the first cell type best.", empty="the best one"),
    "label": Field("label", "Disease or group", "column", "Whether it goes with the scanner is looked at."),
    "paired_by": Field("paired_by", "Same glass", "column", "Column that names the glass where it was scanned several times."),
    "stress_tiles": Field(
        "stress_tiles", "Tiles to change", "whole", "They are encoded again under changes of stain, focus and file; 0 for none.",
        may_be_empty=False,
    ),
    "a": Field("a", "First group", "value", "The first cohort or group."),
    "b": Field("b", "Second group", "value", "Empty for all others."),
    "retrain": Field("retrain", "Train the SAE on the first cohort alone", "yes", "Otherwise the project's own is used."),
    "encoders": Field("encoders", "Encoders", "encoders", "The current one, and these; none marked for all.", empty="none marked: all"),
    "seeds": Field("seeds", "SAEs with other seeds", "whole", "Each is trained once and kept.", may_be_empty=False),
    "expansions": Field("expansions", "SAEs of other widths", "numbers", "Such as 4, 16; empty for none.", empty="none"),
    "with_sets": Field("with_sets", "Also compare with", "saes", "Other SAEs of this project on the same tiles."),
    "within": Field("within", "Compare within", "column", "Patients are exchanged only where this is the same."),
    "measure": Field(
        "measure", "Measure", "choice", "What a slide is summed up by.",
        (("mean", "mean activation"), ("rate", "share of tiles that fire"), ("top", "mean of the strongest tenth")),
        may_be_empty=False,
    ),
    "min_active": _more(
        "min_active", "Fewest tiles of a feature", "whole", "A feature that fires in fewer tiles takes no part.", 1,
    ),
    "n_null": _more("n_null", "Draws of chance", "whole", "More of them can show a smaller p; 19 at least.", 19),
    "n_random": _more(
        "n_random", "Random dictionaries", "whole", "They say what takes no training; 19 at least.", 19,
    ),
    "n_resamples": _more(
        "n_resamples", "Draws for stability", "whole", "Times that patients, or features, are drawn again.",
    ),
    "n_boot": _more("n_boot", "Draws for the intervals", "whole", "Times that patients are drawn again.", 20),
    "least_r": _more(
        "least_r", "Least likeness in a cluster", "share", "Features are not grouped below this mean r or cosine.",
    ),
    "share": _more(
        "share", "Overlap of duplicates", "share", "Share of a feature's tiles in which the other has to fire, too.",
    ),
    "same_cosine": _more(
        "same_cosine", "Cosine of the same direction", "share", "From here on two directions count as the same.",
    ),
    "plane": Field(
        "plane", "Map", "choice", "How features are laid out for the eye; clusters do not depend on it.",
        (("umap", "UMAP"), ("pca", "principal components")), may_be_empty=False, is_more=True,
    ),
    "seed": _SEED,
}  # fmt: skip
_FACT: Final = {
    "depth": "Scanner or site",
    "robustness": "Scanner or site",
    "domain": "Cohorts by",
    "slides": "Groups by",
}


def fields_of(kind: str) -> list[Field]:
    """Fields of a study's form, the seed after all that is not folded away."""
    found = []
    for key in study(kind).defaults:
        if key == "fact":
            tip = "A column of the slide table."
            found.append(Field(key, _FACT.get(kind, "Column"), "column", tip, may_be_empty=kind != "domain"))
        elif key in _KNOWN and key != "seed":
            found.append(_KNOWN[key])
    seed = [_SEED] if "seed" in study(kind).defaults else []
    return [
        *(field for field in found if not field.is_more),
        *seed,
        *(field for field in found if field.is_more),
    ]


def told(kind: str, key: str, text: str) -> Any:
    """What a text in a `whole` or `numbers` field means; None where it is empty.

    Raises
    ------
    ValueError
        When it is no number.
    """
    text = text.strip()
    field = next(one for one in fields_of(kind) if one.key == key)
    if field.kind == "numbers":
        return [int(part) for part in text.replace(";", ",").split(",") if part.strip()] or None
    return int(text) if text else None
