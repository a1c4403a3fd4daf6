"""Universality: shared and private features are told apart, stability is what was planted, and chance claims nothing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse

from sae_backend.activations.embeddings import EmbeddingWriter
from sae_backend.compute.jobs.embed import JobContext
from sae_backend.compute.studies.prepare_universality import prepare, recipe_of
from sae_backend.compute.studies.study_job import run_study_job
from sae_backend.compute.studies.train_sets import SAES, make_set
from sae_backend.errors import CancelledError, UserInputError
from sae_backend.models.cards import EncoderCard
from sae_backend.statistics.split import draw_halves
from sae_backend.studies.framework.inputs import FeatureSet, StudyInput
from sae_backend.studies.framework.registry import study
from sae_backend.studies.framework.result import Checkpoints
from sae_backend.studies.framework.run import run_study
from sae_backend.studies.framework.storage import read_result
from sae_backend.worker.requests import StudyRequest
from tests.backend.fixtures.activations import square_grid
from tests.worlds.study import PROGRESS, study_slide, true_set
from tests.worlds.vectors.slides import FeatureSpec, SlideSpec, VectorWorldSpec, make_world
from tests.worlds.vectors.views import SecondEncoderSpec, second_encoder

N_FEATURES, N_SHARED = 50, 25
RATES = FeatureSpec(n_features=N_FEATURES, rate_low=0.06, rate_high=0.2, patchy_share=0.2)
QUICK = {"n_boot": 100, "n_null": 39}


def world_of(seed: int, n_slides: int = 16):
    slides = SlideSpec(n_slides=n_slides, tiles=(70, 110), smoothness_tiles=1.5)
    return make_world(VectorWorldSpec(seed=seed, width=64, features=RATES, slides=slides, cell_types=()))


def seen_badly(some: FeatureSet, seed: int, missing: float, lost: Sequence[int] = ()) -> FeatureSet:
    """As an imperfect autoencoder sees it: activations scaled at random, some missing, and features lost."""
    rng = np.random.default_rng(seed)
    features = []
    for matrix in some.features:
        bad = matrix.copy()
        column = np.repeat(np.arange(bad.shape[1]), np.diff(bad.indptr))
        keep = (rng.random(bad.data.size) >= missing) & ~np.isin(column, lost)
        bad.data = (bad.data * rng.lognormal(0, 0.3, bad.data.size) * keep).astype(np.float32)
        bad.eliminate_zeros()
        features.append(bad)
    return replace(some, features=features)


def given_of(world, sets: Sequence[FeatureSet]) -> StudyInput:
    inputs = StudyInput([study_slide(slide) for slide in world.slides], sets, world.type_names)
    return replace(inputs, halves=draw_halves(inputs.parts(), 0))


def test_shared_and_private_features_are_told_apart() -> None:
    world = world_of(1)
    private = replace(RATES, n_features=N_FEATURES - N_SHARED)
    view = second_encoder(world, SecondEncoderSpec(width=64, n_shared=N_SHARED, private=private))
    other = seen_badly(true_set(view.slides, view.dictionary, "other encoder"), 0, 0.2)
    inputs = given_of(world, [true_set(world.slides, world.dictionary), other])
    stages: list[str] = []
    result = run_study("universality", inputs, QUICK, lambda stage, *_: stages.append(stage))
    arrays, names = result.arrays, result.meta["states"]
    is_shared = np.isin(np.arange(N_FEATURES), view.shared)
    live = arrays["1/state"] != names.index("not live")
    matched = arrays["1/state"] == names.index("matched")
    assert live.mean() > 0.9 and len(stages) > 60
    right = matched & (arrays["1/partner"] == np.searchsorted(view.shared, np.arange(N_FEATURES))) & is_shared
    assert right.sum() == matched.sum()  # precision 1
    assert right.sum() >= 0.85 * (is_shared & live).sum()  # recall
    assert np.nanmax(np.abs(arrays["1/r_report"][~is_shared & live])) < 0.35
    # A feature that is on in few slides may have an interval from -1 to 1, or none.
    everywhere = matched & (world.plan.slide_share == 1)
    low, r, high = (arrays[f"1/{name}"][everywhere] for name in ("low", "r_report", "high"))
    assert everywhere.sum() >= 10 and ((low < r) & (r < high)).all() and np.median(low) > 0.6
    # The other set's own features are private, too.
    others = arrays["1/other_state"]
    assert (others[N_SHARED:] != names.index("matched")).all()
    assert (others == names.index("matched")).sum() == matched.sum()
    # Different encoders: no cosine; no seed differs alone.
    assert np.isnan(arrays["1/cosine"]).all() and result.meta["seed_sets"] == []
    # Shuffled tiles are too lenient, which is said.
    assert result.meta["comparisons"][0]["n_exchanged_beyond_shuffled"] > 20
    shown = study("universality").report(result)
    assert f"{matched.sum()} of {live.sum()} live features" in shown.found
    assert any("too lenient" in words for words in shown.warnings)
    table = next(table for table in shown.tables if table.key == "pairs-1")
    assert table.n_rows == live.sum() and table.targets[0].other == (1, int(table.columns["partner"][0]))
    strict = study("universality").report(result, {"least_r": 0.99})
    assert f"0 of {live.sum()} live features" in strict.found


def test_stability_over_seeds_is_what_was_planted() -> None:
    world = world_of(2)
    space = {"encoder_digest": "e", "layer": 3, "pooling": "cls"}
    truth = true_set(world.slides, world.dictionary, **space)
    lost = [range(10), range(5, 15), (), range(5)]
    order = np.random.default_rng(0).permutation(N_FEATURES)
    sets = [truth]
    for k, gone in enumerate(lost):
        seed = seen_badly(truth, k, 0.1, gone)
        mixed = [matrix[:, order] for matrix in seed.features]
        sets.append(replace(seed, title=f"seed {k + 1}", features=mixed, decoder=truth.decoder[order]))
    result = run_study("universality", given_of(world, sets), {**QUICK, "n_null": 19}, PROGRESS)
    arrays, meta = result.arrays, result.meta
    assert meta["seed_sets"] == [1, 2, 3, 4] and meta["warnings"] == []
    planted = np.mean([~np.isin(np.arange(N_FEATURES), gone) for gone in lost], axis=0)
    live = np.isfinite(arrays["found_in"])
    assert live.sum() >= 45
    # Three exchanges of a hundred may tell a rare true feature from chance no more.
    agrees = np.isclose(arrays["found_in"][live], planted[live])
    assert agrees.mean() >= 0.9 and (arrays["found_in"][live] <= planted[live] + 1e-9).all()
    assert np.corrcoef(arrays["stability"][live], planted[live])[0, 1] > 0.9
    assert (arrays["stability_min"][live & (planted < 1)] < 0.5).all()
    found = arrays["3/state"] == meta["states"].index("matched")
    np.testing.assert_allclose(arrays["3/cosine"][found], 1, atol=1e-5)
    assert meta["comparisons"][2]["mean_cosine"] > 0.9
    assert arrays["between"][0, 3] > 0.85 > arrays["between"][1, 2]
    shown = study("universality").report(result)
    assert {"stability", "between", "numbers"} <= {figure.key for figure in shown.figures}


def test_what_other_tiles_do_is_told_apart_from_what_another_seed_does() -> None:
    """The first SAE lacks what its own tiles did not show; the reference has seen the tiles that the seeds saw."""
    world = world_of(2)

    def trained(title: str, tiles: str, seed: int, lost: Sequence[int], **model: object) -> FeatureSet:
        space = {"encoder_digest": "e", "layer": 3, "pooling": "cls", "training": {"tiles_digest": tiles}}
        truth = true_set(world.slides, world.dictionary, title, **space, **model)
        return seen_badly(truth, seed, 0.1, lost)

    first = trained("shipped", "elsewhere", 0, range(30))
    reference = trained("reference", "here", 1, range(40, 45), is_reference=True)
    seeds = [trained(f"seed {k}", "here", 1 + k, range(45, 50)) for k in (1, 2)]
    small = {**QUICK, "n_null": 19, "n_random": 19}
    result = run_study("universality", given_of(world, [first, reference, *seeds]), small, PROGRESS)
    arrays, meta = result.arrays, result.meta
    # Stability is that of the first one's features, over seeds alone.
    assert meta["stability_over"] == meta["seed_sets"] == [2, 3] and arrays["stability"].shape == (
        N_FEATURES,
    )
    assert np.isnan(arrays["stability"][:30]).all() and np.nanmedian(arrays["stability"][30:45]) > 0.5
    about = meta["reference"]
    assert about["set"] == 1 and about["first_tiles"] == "other"
    assert [(each["of"], each["set"]) for each in about["comparisons"]] == [(1, 2), (1, 3)]
    n = [int((arrays[f"{key}/state"] == 0).sum()) for key in ("2", "1-2")]
    assert n[0] <= 20 and n[1] >= 32
    assert np.isfinite(arrays["reference/stability"]).sum() > 40
    assert all(each["low"] < each["value"] < each["high"] for each in about["differences"])
    shown = study("universality").report(result)
    table = next(table for table in shown.tables if table.key == "reference")
    assert table.columns["features of"] == ["this SAE"] * 3 + ["reference"] * 2
    assert table.columns["training tiles"] == ["other"] * 3 + ["same"] * 2
    assert table.columns["seed"] == ["same"] + ["other"] * 4
    judged = table.columns["features judged"][3]
    assert table.columns["closer than random"][3] == n[1] and f" of {judged} (" in shown.found
    gone = [
        1 - back / n
        for n, back in zip(table.columns["features judged"], table.columns["come back"], strict=True)
    ]
    assert (
        f"with other tiles and the same seed, {gone[0]:.0%} of the features of this SAE do not" in shown.found
    )
    assert (
        f"another seed and the same tiles, {np.mean(gone[3:]):.0%} of those of the reference do not (mean over 2 SAEs)"
        in shown.found
    )
    assert min(gone[0], *gone[3:]) > 0 and "Both matter; these shares have no interval" in shown.found
    assert "not shown to matter" not in shown.found and "goes with the tiles" not in shown.found
    assert (
        "the same start of the training" in shown.found
        and "of a reference, trained on the same tiles" in shown.short
    )
    assert (
        next(figure for figure in shown.figures if figure.key == "reference")
        .x_names[-1]
        .startswith("reference")
    )
    strict = study("universality").report(result, {"least_r": 0.999}).tables[0]
    assert sum(strict.columns["come back"]) == 0
    assert not any("because of the tiles" in words for words in shown.warnings)


def test_unrelated_dictionaries_share_nothing() -> None:
    # Of 120 such worlds few claim anything, see the benchmark.
    world = world_of(5)
    view = second_encoder(world, SecondEncoderSpec(width=64, n_shared=0, private=RATES))
    inputs = given_of(
        world, [true_set(world.slides, world.dictionary), true_set(view.slides, view.dictionary)]
    )
    result = run_study("universality", inputs, QUICK, PROGRESS)
    assert not (result.arrays["1/state"] == 0).any() and not (result.arrays["1/other_state"] == 0).any()


def test_little_can_be_said_of_little() -> None:
    world = world_of(7, n_slides=2)
    truth = true_set(world.slides, world.dictionary)
    without = replace(truth, vectors=[None, None], decoder=None, offset=None)
    with pytest.raises(UserInputError, match="only one"):
        run_study("universality", given_of(world, [truth]), QUICK, PROGRESS)
    inputs = given_of(world, [truth, without])
    assert inputs.halves is None
    result = run_study("universality", inputs, {**QUICK, "min_active": 10}, PROGRESS)
    comparison = result.meta["comparisons"][0]
    assert comparison["arrangement"] == "maps shifted within their slides" and comparison["n_random"] == 0
    shown = study("universality").report(result)
    words = " ".join(shown.warnings)
    assert "Nothing was held out" in words and "embeddings are missing" in words
    assert (result.arrays["1/state"] == 0).mean() > 0.7  # the same features, seen on both slides
    rare = run_study("universality", inputs, {**QUICK, "min_active": 10**6}, PROGRESS)
    assert "no feature fires in enough tiles" in study("universality").report(rare).found
    unjudged = run_study("universality", inputs, {**QUICK, "min_active": 10, "n_null": 0}, PROGRESS)
    assert "chance could not be judged" in study("universality").report(unjudged).found
    assert not (unjudged.arrays["1/state"] == 0).any()


THIRD = (0.5, 0.5, 0.5)


def embedded(folder: Path, n_slides: int) -> list[str]:
    """Tiny embeddings of slides with planted directions."""
    card = EncoderCard("timm:a", "", "a", 224, THIRD, THIRD, 32, 4, 16, 4, "cls", "", "w", False, "")
    directions = np.random.default_rng(0).standard_normal((24, 32))
    made = []
    for k in range(n_slides):
        rng = np.random.default_rng([1, k])
        grid = replace(square_grid(8), slide_fingerprint=f"slide {k}")
        active = (rng.random((64, 24)) < 0.08) * rng.gamma(4.0, 0.5, (64, 24))
        vectors = (active @ directions + 0.02 * rng.standard_normal((64, 32))).astype(np.float32)
        writer = EmbeddingWriter(folder / f"embedding {k}", grid, card, 64)
        writer.write(0, vectors, np.zeros(64, np.uint8))
        made.append(str(writer.commit().folder))
    return made


def test_the_job_trains_other_seeds_and_goes_on_after_a_cancel(tmp_path: Path) -> None:
    folders = embedded(tmp_path, 12)
    slides = tuple(
        {
            "name": f"slide {k}", "patient": f"P{k}", "facts": {}, "path": "", "mpp": None, "fingerprint": "",
            "targets_file": "",
        }
        for k in range(12)
    )  # fmt: skip
    sides = {f"P{k}": "choose" if k % 2 else "report" for k in range(12)}
    stub = {"model": {"weights": None}, "tile_spec": {}}
    spec = {"seeds": 1, "expansions": [1], "min_active": 15, "n_null": 19, "n_random": 19, "n_boot": 50}
    request = StudyRequest(
        "universality", slides, (stub,), (), str(tmp_path / "cache"), str(tmp_path / "work"), spec,
        {"unit": "patient", "seed": 0, "assignments": sides}, "cpu",
    )  # fmt: skip
    recipe = {"expansion": 2, "epochs": 50, "learning_rate": 3e-3, "batch_size": 128}
    first = make_set(request, "current", folders, recipe, JobContext())
    assert recipe_of(first) == {**recipe, "l1": None, "seed": 0, "whiten": False, "batch_size": 80}
    assert first["model"]["training"]["tiles_digest"]
    request = replace(request, sets=(first,))
    seen: list[tuple[str, int]] = []

    def stop(stage: str, done: int, _: int) -> None:
        seen.append((stage, done))
        if stage == "match with seed 1" and done > 8:
            raise CancelledError("Enough.")

    with pytest.raises(CancelledError):
        run_study_job(request, JobContext(stop))
    saes = tmp_path / "cache" / SAES
    before = {path: path.stat().st_mtime_ns for path in saes.rglob("*") if path.is_file()}
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "work" / "steps").iterdir()}
    assert len([path for path in saes.iterdir() if path.is_dir()]) == 3 and len(kept) >= 5
    again: list[str] = []
    made = run_study_job(request, JobContext(lambda stage, *_: again.append(stage)))
    assert "seed 1: train" in {stage for stage, _ in seen} and not any("train" in stage for stage in again)
    assert all(path.stat().st_mtime_ns == when for path, when in (before | kept).items())
    assert [entry["title"] for entry in made["sets"]] == ["current", "seed 1", "x1"]
    assert made["sets"][1]["model"]["training"]["seed"] == 1
    result = read_result(Path(made["work_dir"]))
    assert result.meta["seed_sets"] == [1] and result.arrays["stability"].shape == (64,)
    assert result.arrays["2/other_state"].shape == (32,)
    assert (result.arrays["1/state"] == 0).sum() >= 8  # directions that both seeds learned
    other = replace(request, work_dir=str(tmp_path / "whole"))
    whole = read_result(Path(run_study_job(other, JobContext())["work_dir"]))
    for name, values in whole.arrays.items():
        np.testing.assert_array_equal(values, result.arrays[name], name)
    assert math.isfinite(result.meta["comparisons"][0]["mean_r"])
    # The first one has seen the same tiles, so that nothing stands in for it.
    assert result.meta["reference"] is None
    assert "same slides and tiles as seed 1, x1" in study("universality").report(result).found


def test_a_reference_is_trained_where_the_first_one_saw_other_tiles(tmp_path: Path) -> None:
    folders = embedded(tmp_path, 6)
    request = StudyRequest(
        "universality", (), ({"model": {}, "tile_spec": {}},), (), str(tmp_path / "cache"), str(tmp_path / "work"),
        {"seeds": 1}, {}, "cpu",
    )  # fmt: skip
    recipe = {"expansion": 1, "epochs": 1, "batch_size": 128, "seed": 4}
    first = make_set(request, "current", folders, recipe, JobContext(), train_on=range(4))
    sets = prepare(replace(request, sets=(first,)), JobContext())
    assert [entry["title"] for entry in sets] == ["current", "reference", "seed 1"]
    models = [entry["model"] for entry in sets]
    assert [model.get("is_reference", False) for model in models] == [False, True, False]
    assert [model["training"]["seed"] for model in models] == [4, 4, 5]
    tiles = [model["training"]["tiles_digest"] for model in models]
    assert tiles[1] == tiles[2] != tiles[0]
    # One that does not say on which tiles it was trained is taken as trained elsewhere.
    silent = {
        **first,
        "model": {**first["model"], "training": {**first["model"]["training"], "tiles_digest": None}},
    }
    assert len(prepare(replace(request, sets=(silent,)), JobContext())) == 3
    assert prepare(replace(request, sets=(first,), spec={"seeds": 0}), JobContext()) == [first]


def test_deleted_embeddings_are_said(tmp_path: Path) -> None:
    entry = {"title": "current", "model": {}, "embedding_dirs": [str(tmp_path / "gone")], "feature_dirs": []}
    request = StudyRequest("universality", (), (entry,), (), str(tmp_path), str(tmp_path), {"seeds": 1})
    with pytest.raises(UserInputError, match="deleted"):
        run_study_job(request, JobContext())


def test_steps_are_made_once(tmp_path: Path) -> None:
    world = world_of(8)
    truth = true_set(world.slides, world.dictionary)
    inputs = given_of(world, [truth, seen_badly(truth, 0, 0.1)])
    small = {"n_boot": 20, "n_null": 19, "n_random": 19}
    first = run_study("universality", inputs, small, PROGRESS, Checkpoints(tmp_path))
    again = run_study("universality", inputs, small, PROGRESS, Checkpoints(tmp_path))
    for name, values in first.arrays.items():
        np.testing.assert_array_equal(values, again.arrays[name], name)


def test_what_any_random_direction_finds_is_told_apart_from_what_was_learned() -> None:
    """One direction holds most of the variance: random dictionaries find it too, and the planted ones they do not."""
    world = world_of(11)
    strong = np.random.default_rng(3)
    direction = strong.standard_normal(64)
    direction /= np.linalg.norm(direction)
    slides, extra = [], []
    for slide in world.slides:
        level = np.abs(strong.normal(0, 12, slide.n_tiles)) * (strong.random(slide.n_tiles) < 0.5)
        extra.append(level.astype(np.float32))
        slides.append((slide.vectors + np.outer(level, direction)).astype(np.float32))
    truth = true_set(world.slides, world.dictionary)
    first = [
        sparse.hstack([m, sparse.csc_array(v[:, None])], format="csc")
        for m, v in zip(truth.features, extra, strict=True)
    ]
    decoder = np.vstack([truth.decoder, direction[None]]).astype(np.float32)
    own = replace(truth, features=first, vectors=slides, decoder=decoder)
    other = seen_badly(replace(own, title="other"), 1, 0.1)
    result = run_study("universality", given_of(world, [own, other]), QUICK, PROGRESS)
    names, state = result.meta["states"], result.arrays["1/state"]
    assert names[state[N_FEATURES]] == "as random directions"
    learned = state[:N_FEATURES][state[:N_FEATURES] != names.index("not live")]
    assert (learned == names.index("matched")).mean() > 0.8
    assert result.arrays["found_in"][N_FEATURES] == 1
    shown = study("universality").report(result)
    assert "not shown to take training" in shown.found and "no training" not in shown.found
    best, chance = result.arrays["1/best_r"], result.arrays["1/chance_random"]
    both = np.isfinite(best) & np.isfinite(chance)
    assert (
        f"has a mean r of {best[both].mean():.2f}; in random dictionaries it has {chance[both].mean():.2f} ("
        in shown.found
    )
    r = result.meta["comparisons"][0]["mean_r"]
    assert f"Held-out r of all pairs is {r:.2f} on average (95 % interval" in shown.found
    unlike = shown.found[shown.found.index("Held-out r of all pairs") :].split(". ")[0]
    assert "random" not in unlike
    assert "closer than random directions come" in shown.short
