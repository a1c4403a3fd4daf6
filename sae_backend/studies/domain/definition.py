"""What the study of features out of their domain is: its settings, what it needs, and what it gives."""

from __future__ import annotations

from typing import Final

from sae_backend.studies.framework.settings import (
    EPOCHS,
    FIRST_GROUP,
    SECOND_GROUP,
    SEED,
    Setting,
    group_column,
)
from sae_backend.studies.framework.study import RowKeys, Study

_COHORTS: Final = ("fact", "a", "b")

STUDY: Final = Study(
    kind="domain",
    package="sae_backend.studies.domain",
    title="Out of domain",
    question="Do features chosen on one cohort keep their meaning on another?",
    needs="Two cohorts, defined by a column of the slide table such as site or organ, with cells in both.",
    settings=(
        group_column("Cohorts by", "site", is_required=True),
        FIRST_GROUP,
        SECOND_GROUP,
        Setting(
            key="retrain", title="Train the SAE on the first cohort alone", kind="yes", default=True,
            help="train the SAE on the first cohort alone (default: yes)", tip="Otherwise the project's own is used.",
        ),
        EPOCHS,
        SEED,
    ),
    format=2,
    needs_cells=True,
    column_says="site, organ or cohort",
    trains=lambda spec: bool(spec["retrain"]),
    has_own_saes=True,
    prepare="sae_backend.compute.studies.prepare_domain",
    row_keys={
        "domain-pairs": RowKeys(("feature", "cell type"), 0, _COHORTS),
        "domain-best": RowKeys(("cell type", "from"), None, _COHORTS),
        "domain-quality": RowKeys(("cohort",), None, ("fact",)),
    },
)  # fmt: skip
