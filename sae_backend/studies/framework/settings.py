"""The settings of a study: what each is called, what it may be, and what its flag and its field in a form say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from sae_backend.errors import UserInputError

SettingKind = Literal["column", "value", "whole", "numbers", "share", "yes", "choice", "saes", "encoders"]

_MOST: Final = 2**63
_LEAST_DRAWS: Final = 19
"""With fewer draws no p can be 0.05."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One setting.

    Attributes
    ----------
    key
        Its name in a spec; with hyphens, its flag.
    title
        What the form calls it.
    kind
        `column` of the slide table; `value` of the column in the setting `fact`; `whole` number; `numbers`, parted by
        commas; a `share` from 0 to 1; `yes` or no; one of `choices`; `saes` or `encoders` of the project.
    default
        Its value where nobody says otherwise, as plain JSON. A whole number may be left open where it is None.
    low, high
        Least and largest number.
    help
        What the command line says of it.
    metavar
        What stands for its value there.
    tip
        A sentence on it in the form.
    empty
        What it means to leave it open, in a few words; they stand in the field.
    choices
        For `choice`: value and words.
    draws
        What is drawn, where a number of draws says what chance gives: 0 leaves it out, and `low` does not hold for it.
    is_required
        Whether a column has to be chosen.
    is_more
        Whether the form folds it away until somebody asks for more settings.
    """

    key: str
    title: str
    kind: SettingKind
    default: Any = None
    low: float = 0
    high: float = _MOST
    help: str = ""
    metavar: str = "N"
    tip: str = ""
    empty: str = ""
    choices: tuple[tuple[str, str], ...] = ()
    draws: str = ""
    is_required: bool = False
    is_more: bool = False

    def check(self, value: Any) -> None:
        """Refuse a value that makes no sense.

        Raises
        ------
        UserInputError
            With what it may be.
        """
        name = self.key.replace("_", " ")
        if value is None or isinstance(value, bool):
            return
        if self.kind == "choice" and value not in (allowed := [choice for choice, _ in self.choices]):
            raise UserInputError(f"The setting {name} cannot be {value!r}.", f"Use {' or '.join(allowed)}.")
        if self.kind == "numbers" and any(number < self.low for number in value):
            raise UserInputError(
                f"The setting {name} takes numbers from {self.low:g} on.", "Leave it away for the default."
            )
        if self.kind not in ("whole", "share") or (self.draws and value == 0):
            return
        if self.draws and value < self.low:
            raise UserInputError(
                f"With {value} {self.draws} nothing could be beyond chance at 5 %.",
                f"Use {self.low:g} or more, or 0 to leave that chance out.",
            )
        if not self.low <= value <= self.high:
            raise UserInputError(
                f"The setting {name} cannot be {value:g}.", f"Use {self.low:g} to {self.high:g}."
            )


def check_settings(settings: tuple[Setting, ...], values: Mapping[str, Any], title: str) -> None:
    """Refuse settings that there are not, and values that make no sense.

    Raises
    ------
    UserInputError
        Naming the first of them and what it may be; `title` says of what they are.
    """
    known = {setting.key: setting for setting in settings}
    for key, value in values.items():
        if key not in known:
            raise UserInputError(f"{title} has no setting {key!r}.", f"It has {', '.join(known)}.")
        known[key].check(value)


def column(key: str, title: str, default: str | None = None, **more: Any) -> Setting:
    """A column of the slide table."""
    return Setting(key=key, title=title, kind="column", default=default, metavar="COLUMN", **more)


def group_column(title: str, default: str | None = None, is_required: bool = False) -> Setting:
    """The column that tells slides apart."""
    words = "column of the slide table"
    return column("fact", title, default, help=words, tip=f"A {words}.", is_required=is_required)


def draws(key: str, title: str, default: int, of: str, **more: Any) -> Setting:
    """How often chance is drawn."""
    return Setting(
        key=key, title=title, kind="whole", default=default, low=_LEAST_DRAWS, draws=of, is_more=True, **more
    )


def count(key: str, title: str, default: int, low: int, high: int, words: str, tip: str) -> Setting:
    """A number that most leave as it is."""
    return Setting(
        key=key, title=title, kind="whole", default=default, low=low, high=high, help=words, tip=tip, is_more=True
    )  # fmt: skip


SEED: Final = Setting(
    key="seed", title="Seed", kind="whole", default=0, help="decides all that is drawn at random",
    tip="Decides all that is drawn at random.",
)  # fmt: skip
EPOCHS: Final = Setting(
    key="epochs", title="Epochs", kind="whole", low=1, high=1_000_000,
    help="passes over the tiles in training (default: as documented for train)",
    tip="Passes over the tiles in training; empty for the usual.", empty="as usual",
)  # fmt: skip
FIRST_GROUP: Final = Setting(
    key="a", title="First group", kind="value", metavar="VALUE",
    help="first group or cohort: a value of the column", tip="The first cohort or group.",
)  # fmt: skip
SECOND_GROUP: Final = Setting(
    key="b", title="Second group", kind="value", metavar="VALUE", help="second group or cohort",
    tip="Empty for all others.",
)  # fmt: skip
MIN_ACTIVE: Final = count(
    "min_active", "Fewest tiles of a feature", 20, 1, 10**9,
    "fewest tiles of a feature: one that fires in fewer takes no part",
    "A feature that fires in fewer tiles takes no part.",
)  # fmt: skip
N_NULL: Final = draws(
    "n_null", "Draws of chance", 99, "exchanges", help="draws of chance: exchanges that say what chance gives",
    tip="More of them can show a smaller p; 19 at least.",
)  # fmt: skip


def random_dictionaries(default: int) -> Setting:
    """How many random dictionaries stand for what takes no training."""
    return draws(
        "n_random", "Random dictionaries", default, "random dictionaries",
        help="random dictionaries that say what takes no training",
        tip="They say what takes no training; 19 at least.",
    )  # fmt: skip


def label_shuffles(default: int) -> Setting:
    """How often labels are exchanged."""
    return draws(
        "n_shuffles", "Exchanges of the labels", default, "exchanges of the labels",
        help="exchanges of the labels, for what chance reads", tip="They say what chance reads; 19 at least.",
    )  # fmt: skip


def most_tiles(default: int) -> Setting:
    """How many tiles a label is read from."""
    return count(
        "most_tiles", "Most tiles to read from", default, 10, 10_000_000, "most tiles that the scanner is read from",
        "The scanner is read from so many tiles at most.",
    )  # fmt: skip


def interval_draws(key: str, default: int) -> Setting:
    """How often patients are drawn again; `key` is what stored runs of the study call it."""
    return count(
        key, "Draws for the intervals", default, 20, 1_000_000, "draws for the intervals",
        "Times that patients are drawn again.",
    )  # fmt: skip


def permutations(default: int) -> Setting:
    """How many arrangements p comes from."""
    return count(
        "n_permutations", "Arrangements for p", default, 19, 1_000_000, "arrangements for p",
        "More of them can show a smaller p; 19 at least.",
    )  # fmt: skip
