"""Tagging of an audit: planted labels are found by group, chance ones as seldom as promised, and what is not estimable says why."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from audit.analyses.plans import TaggingPlan
from audit.errors import UsageError
from audit.extensions.tagging import computation as tagging
from audit.testing import FakeEncoder
from audit.types import UNKNOWN, Dataset, Settings
from reports.text.notes import sentence
from tests.support.analyses import analysed

LABELS = ("beard", "dress", "hair", "hat", "sky")
PLAN = TaggingPlan("Who is given what?", {word: (f"a photo of {word}",) for word in LABELS}, ("gender", "race"), "test v1")
LEVELS = {"gender": ("Female", "Male"), "race": ("a", "b", "c")}
TEXTS = {f"a photo of {word}": row for word, row in zip(LABELS, np.eye(6)[:5], strict=True)}


def people(n=240, **changed):
    """Return a data set of names alone: a third Male, races at random."""
    draw = np.random.default_rng(0)
    rows = pd.DataFrame(
        {"gender": ["Female", "Female", "Male"] * (n // 3), "race": draw.choice(list("abc"), n)}, [f"{i}" for i in range(n)]
    )
    return replace(Dataset("made up", [b""] * n, rows.astype("str"), LEVELS, "1" * 64, "made by the test", "none"), **changed)


def noise(n=240, seed=1):
    return np.random.default_rng(seed).normal(size=(n, 6))


def tagged(dataset, vectors, plan=PLAN, settings=None, **more):
    return analysed(tagging, [plan], dataset, vectors, TEXTS, settings or Settings(draws=99), **more)


@pytest.fixture(scope="module")
def planted():
    dataset, vectors = people(), noise()
    vectors[dataset.attributes["gender"] == "Male", 0] += 3
    vectors[:, 4] = -20  # sky: nobody gets it
    return dataset, vectors, tagged(dataset, vectors)


def test_a_planted_label_is_found_at_both_thresholds_and_signals_come_first(planted):
    *_, found = planted
    assert [(each.attribute, each.threshold) for each in found] == [("gender", 0.005), ("gender", 0.04), ("race", 0.005), ("race", 0.04)]
    for each in found[:2]:
        beard = next(label for label in each.labels if label.label == "beard")
        assert (beard.most, beard.least, beard.verdict) == ("Male", "Female", "signal")
        assert 0 < beard.low < beard.difference < beard.high
        order = [(label.verdict != "signal", -(label.chi2 or 0)) for label in each.labels]
        assert order == sorted(order)
    assert {label.verdict for each in found[2:] for label in each.labels} == {"no signal"}
    assert (found[0].rule, found[0].logit_scale, found[0].offered) == ("softmax", FakeEncoder().record.logit_scale, 5)


def test_counts_are_those_of_the_softmax_over_the_whole_set(planted):
    dataset, vectors, found = planted
    cosine = vectors[:, :5] / np.linalg.norm(vectors, axis=1, keepdims=True)
    weights = np.exp(FakeEncoder().record.logit_scale * cosine)
    kept = weights / weights.sum(axis=1, keepdims=True) > 0.04
    male = (dataset.attributes["gender"] == "Male").to_numpy()
    for label in found[1].labels:
        place = LABELS.index(label.label)
        assert label.counts == (kept[~male, place].sum(), kept[male, place].sum())
    assert found[1].per_image == pytest.approx((kept[~male].sum() / 160, kept[male].sum() / 80))


def test_p_is_adjusted_over_all_labels_thresholds_and_attributes(planted):
    """5 labels, 2 thresholds, 2 attributes: 20 p, that of a label nobody gets among them as 1."""
    p = sorted((label.p, label.p_adjusted) for each in planted[2] for label in each.labels)
    assert len(p) == 20
    smallest = min(20 * each / rank for rank, (each, _) in enumerate(p, 1))
    assert p[0][1] == pytest.approx(min(1.0, smallest))
    sky = next(label for label in planted[2][0].labels if label.label == "sky")
    assert (sky.counts, sky.chi2, sky.p, sky.verdict) == ((0, 0), None, 1.0, "no signal")


def test_the_sweep_stands_with_the_first_threshold_and_gives_fewer_labels_further_up(planted):
    swept = planted[2][0].sweep
    assert (planted[2][1].sweep, len(swept), swept[0].threshold, swept[-1].threshold) == ((), 9, 0.001, 0.1)
    given = [each.per_image[1] for each in swept]
    assert given == sorted(given, reverse=True)
    assert all(each.signals >= 1 for each in swept)


def test_the_order_of_images_and_of_labels_changes_nothing(planted):
    dataset, vectors, found = planted
    order = np.random.default_rng(5).permutation(240)
    assert tagged(replace(dataset, attributes=dataset.attributes.iloc[order]), vectors[order]) == found
    backwards = replace(PLAN, labels=dict(reversed(PLAN.labels.items())))
    assert tagged(dataset, vectors, backwards) == found


def test_names_of_groups_change_nothing_but_themselves(planted):
    dataset, vectors, found = planted
    named = {"Female": "x", "Male": "y"}
    rows = dataset.attributes.assign(gender=dataset.attributes["gender"].map(named))
    other = tagged(replace(dataset, attributes=rows, levels={**LEVELS, "gender": ("x", "y")}), vectors)
    assert [label.p_adjusted for each in other for label in each.labels] == [label.p_adjusted for each in found for label in each.labels]
    assert [label.most for label in other[0].labels] == [named[label.most] for label in found[0].labels]


@pytest.mark.slow
def test_alike_groups_are_called_as_seldom_as_promised():
    """Of 100 random models at most 5 % may have any signal: more than 11 of 100 is under 1 % likely."""
    plan = replace(PLAN, by=("gender",))
    runs = [tagged(people(), noise(seed=seed), plan) for seed in range(100)]
    assert sum(any(label.verdict == "signal" for each in run for label in each.labels) for run in runs) <= 11


def test_independent_probabilities_are_named():
    """A sigmoid of each label by itself: what is kept of one label depends on no other."""
    model = FakeEncoder()
    record = model.record = replace(model.record, score_rule="sigmoid", logit_bias=-5.0)
    vectors = noise()
    found = tagged(people(), vectors, model=model)[1]
    cosine = vectors[:, 0] / np.linalg.norm(vectors, axis=1)
    alone = 1 / (1 + np.exp(5 - record.logit_scale * cosine)) > 0.04
    assert (found.rule, 0 < alone.sum() < 240) == ("sigmoid", True)
    assert sum(next(label for label in found.labels if label.label == "beard").counts) == alone.sum()


@pytest.mark.parametrize(
    ("more", "settings", "why"),
    [
        ({"cluster": "race"}, {}, "images count by “race”"),
        ({"weights": "race"}, {}, "images count by “race”"),
        ({}, {"min_group_size": 250}, "fewer than two groups have at least 250 images"),
    ],
)
def test_what_is_not_estimable_says_why(more, settings, why):
    for each in tagged(people(), noise(), PLAN, Settings(draws=99, **settings), **more):
        assert (each.labels, each.sweep, each.per_image) == ((), (), ())
        assert sentence(each.reason).startswith(why)


def test_small_and_unknown_groups_are_shown_with_their_images_and_not_compared():
    dataset = people()
    rows = dataset.attributes.assign(gender=["Other"] * 10 + [UNKNOWN] * 5 + ["Female"] * 100 + ["Male"] * 125)
    found = tagged(replace(dataset, attributes=rows, levels={**LEVELS, "gender": ("Female", "Male", "Other")}), noise())[0]
    assert (found.groups, found.sizes, found.left_out) == (("Female", "Male"), (100, 125), (("Other", 10), (UNKNOWN, 5)))


def test_a_limited_run_signals_nothing(planted):
    dataset, vectors, _ = planted
    found = tagged(replace(dataset, limited=True), vectors)
    assert {label.verdict for each in found for label in each.labels} == {"no signal"}


def test_without_attributes_every_one_of_the_data_is_compared():
    assert [each.attribute for each in tagged(people(), noise(), replace(PLAN, by=(), thresholds=(0.04,)))] == ["gender", "race"]


@pytest.mark.parametrize(
    ("plan", "what"),
    [
        (replace(PLAN, by=("gendre",)), "compares by 'gendre', which the data do not have"),
        (replace(PLAN, labels={"hat": ("a hat",)}), "has fewer than two labels"),
        (replace(PLAN, labels={"hat": ("a hat",), "sky": ()}), "or one without prompts"),
        (replace(PLAN, thresholds=(0.0,)), "expected 0 < x < 1"),
        (replace(PLAN, thresholds=()), "expected 0 < x < 1"),
    ],
)
def test_what_is_wrong_with_a_plan_is_said_before_a_model_sees_an_image(plan, what):
    with pytest.raises(UsageError, match=what):
        tagging.check([plan], None, people(), Settings())
