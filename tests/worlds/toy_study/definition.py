"""What the study of the tests says of itself."""

from __future__ import annotations

from typing import Final

from sae_backend.studies.framework.settings import SEED, Setting, column
from sae_backend.studies.framework.study import FeatureScore, RowKeys, Study

STUDY: Final = Study(
    kind="rates",
    package="tests.worlds.toy_study",
    title="Firing rates",
    question="In which share of the tiles does each feature fire?",
    needs="Analysed slides, and a column that parts them.",
    settings=(
        column("by", "Part slides by", "site", help="column that parts the slides"),
        Setting(
            key="least_rate", title="Least rate", kind="share", default=0.05, high=0.5, metavar="RATE",
            help="least share of tiles", tip="Features that fire in a smaller share are left out.",
        ),
        Setting(
            key="most", title="Most features", kind="whole", default=8, low=2, high=20, help="most features listed",
            is_more=True,
        ),
        SEED,
    ),
    column_says="site",
    row_keys={"rates": RowKeys(("feature",), 0, ("by",))},
    scores=lambda meta, spec, run: [
        FeatureScore("rate", f"Rate over {meta['n_tiles']} tiles", f"From {spec['least_rate']} on ({run})")
    ],
)  # fmt: skip
