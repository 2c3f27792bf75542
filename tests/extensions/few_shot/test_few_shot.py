"""Few-shot probes of an audit: who gains from examples is found, nothing is both learned from and tested, and doubts are said."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from audit.analyses.kinds import AnalysisInputs
from audit.analyses.plans import FewShotPlan
from audit.errors import UsageError
from audit.extensions.few_shot import computation as few_shot
from audit.extensions.few_shot.record import DrawnRate
from audit.extensions.few_shot.sentences import interval_over_draws
from audit.testing import FakeEncoder
from audit.types import Claim, Dataset, Embeddings, LabelSet, Measurement, Predictions, Probe, Settings

LABELS = LabelSet("things", ("boat", "car"), {"boat": ("a boat",), "car": ("a car",)})
ROLE = Measurement("thing", "What is it?", LABELS, "p v1", (Claim("accuracy", ("region",)),), truth="thing")
PLAN = FewShotPlan("Who gains?", "thing", ("region",), (1, 4), draws=3)
SETTINGS = Settings(draws=199)


def task(n=400, helped=True, seed=0):
    """Half the pictures are of the north, half of the south. Zero-shot is right for every second picture of both. Learned from examples,
    boats and cars of the north lie on two axes, those of the south nowhere (or on the same two, where all are `helped`)."""
    rng = np.random.default_rng(seed)
    attributes = pd.DataFrame(
        {"thing": np.where(np.arange(n) % 2, "car", "boat"), "region": np.where(np.arange(n) < n // 2, "north", "south")},
        index=[f"i{row}" for row in range(n)],
    )
    vectors = rng.normal(size=(n, 6)) / 10
    seen = np.arange(n) < (n if helped else n // 2)
    vectors[seen, 0] += attributes["thing"].eq("boat")[seen]
    vectors[seen, 1] += attributes["thing"].eq("car")[seen]
    truth = attributes["thing"].to_numpy(str)
    right = np.arange(n) // 2 % 2 == 0
    wrong = np.where(truth == "car", "boat", "car")
    scores = np.full((n, 2), 0.5, np.float32)
    predictions = Predictions(("boat", "car"), ("boat", "car"), scores, np.where(right, truth, wrong), truth, attributes, np.zeros(n))
    levels = {"thing": ("boat", "car"), "region": ("north", "south")}
    dataset = Dataset("d", [b""] * n, attributes, levels, "f", "made up", "none")
    return dataset, Embeddings(vectors, np.arange(n), (), {}, 0, tuple(f"h{row}" for row in range(n))), predictions


def learned(dataset, embeddings, predictions, plan=PLAN, **more):
    probe = Probe("p", "?", lambda options: dataset, (ROLE,), "ours", "none", (), (), analyses=(plan,), **more)
    few_shot.check([plan], probe, dataset, SETTINGS)
    given = {"thing": predictions}
    (found,) = few_shot.analyse(
        [plan], AnalysisInputs(probe, dataset, dataset.attributes, FakeEncoder(), embeddings, {}, given, SETTINGS, lambda other: embeddings)
    )
    return found


def test_examples_that_help_one_region_alone_are_found():
    """Zero-shot half of all is right. All 160 examples teach the north everything and the south nothing: 100 % against some 50 %."""
    found = learned(*task(helped=False))
    assert (found.classes, found.train, found.held_out, found.test, found.draws) == (2, 160, 40, 200, 3)
    assert [shot.shots for shot in found.shots] == [1, 4, None]
    north, south = found.shots[-1].by_group
    assert north.mean == 1.0
    assert 0.3 < south.mean < 0.7
    last = found.conditions.results[-1]
    assert (last.condition.name, last.verdict) == ("all images", "signal")
    assert last.pair.first == ("north",)
    assert found.conditions.baseline_overall.value == pytest.approx(0.5, abs=0.1)


def test_examples_that_help_both_regions_alike_give_no_signal_and_more_of_them_help_more():
    found = learned(*task())
    assert {each.verdict for each in found.conditions.results} == {"no signal"}
    means = [shot.overall.mean for shot in found.shots]
    assert means[0] <= means[-1] == 1.0
    assert all(each.lowest <= each.mean <= each.highest for one in found.shots for each in one.by_group)
    assert [shot.images for shot in found.shots] == [2, 8, 160]


@pytest.mark.slow
def test_equal_regions_alarm_as_seldom_as_promised():
    """Neither region has anything to learn: at 5 % of 40 runs more than 6 alarms are rarer than 1 %."""
    alarms = 0
    for seed in range(40):
        dataset, embeddings, predictions = task(160, seed=seed)
        noise = replace(embeddings, vectors=np.random.default_rng(seed).normal(size=(160, 6)))
        found = learned(dataset, noise, predictions, replace(PLAN, shots=(2,), draws=1))
        alarms += any(each.verdict == "signal" for each in found.conditions.results)
    assert alarms <= 6


@pytest.mark.slow
def test_equal_pictures_are_never_both_learned_from_and_tested():
    """Twenty contents, each twenty times, with labels that say nothing: what has memorised a picture would be right about it."""
    dataset, embeddings, predictions = task()
    contents = tuple(f"h{row % 20}" for row in range(400))
    vectors = np.random.default_rng(0).normal(size=(20, 40))[np.arange(400) % 20]
    found = learned(dataset, replace(embeddings, contents=contents, vectors=vectors), predictions)
    assert found.test == 200
    assert found.conditions.baseline_overall.clusters == 10


def test_classes_with_too_few_examples_are_named_and_of_one_class_nothing_is_learned():
    dataset, embeddings, predictions = task(60)
    found = learned(dataset, embeddings, predictions, replace(PLAN, shots=(1, 16)))
    assert dict(found.shots[1].fewer).keys() <= {"boat", "car"}
    assert all(n < 16 for _, n in found.shots[1].fewer)
    rows = dataset.attributes["thing"] == "car"
    only = replace(predictions, attributes=dataset.attributes[rows], y_true=predictions.y_true[rows], y_pred=predictions.y_pred[rows])
    alone = learned(dataset, embeddings, replace(only, scores=only.scores[rows], margin=only.margin[rows]))
    assert alone.reason.code == "few_shot_classes"
    assert not alone.shots


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"measurement": "thin"}, "which is not asked"),
        ({"by": ("country",)}, "which the data do not have"),
        ({"shots": (4, 1)}, "shots and draws are counts"),
        ({"draws": 0}, "shots and draws are counts"),
        ({"unit": "scene"}, "keeps 'scene' together"),
    ],
)
def test_a_plan_that_cannot_be_asked_is_refused(change, said):
    with pytest.raises(UsageError, match=said):
        learned(*task(40), replace(PLAN, **change))


def test_the_interval_over_draws_is_students_and_of_one_draw_there_is_none():
    """Three draws: the mean ± 4.303 standard deviations over √3 (t of two degrees of freedom); all images are one draw."""
    found = learned(*task(helped=False))
    one = found.shots[0].overall
    assert one.lowest <= one.mean <= one.highest
    assert (one.low < one.mean < one.high, one.low >= 0, one.high <= 1) == (True, True, True)
    assert (found.shots[-1].overall.low, found.shots[-1].overall.high) == (None, None)
    assert interval_over_draws(DrawnRate("all", 10, 0.5, 0.4, 0.6, 0.252, 0.748)) == "25\u00a0% to 75\u00a0%"
    assert interval_over_draws(found.shots[-1].overall) == ""
