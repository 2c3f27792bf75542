"""Rates by hand, and equal to fairlearn's on one row an image, bit for bit."""

import warnings

import numpy as np
import pandas as pd
import pytest
from fairlearn.metrics import MetricFrame, false_positive_rate, selection_rate, true_positive_rate
from sklearn.metrics import accuracy_score

from audit.errors import UsageError
from audit.statistics.counts import grouped_counts
from audit.statistics.metrics import METRICS, extremes, majority_baseline, point_estimates, resolve, tally
from audit.types import UNKNOWN, Claim, LabelSet, Measurement
from tests.support.answered import answered, confusion

YES = frozenset({"yes"})
ONE = pd.DataFrame({"group": ["a"]})


# Group a: 6 found of 8, 3 wrongly of 12. Group b: 1 of 2, 0 of 8. Unequal counts, so an unweighted table gives other numbers.
CELLS = {"a": (6, 2, 3, 9), "b": (1, 1, 0, 8)}
BY_HAND = {
    "accuracy": [(15, 20), (9, 10)],
    "selection_rate": [(9, 20), (1, 10)],
    "true_positive_rate": [(6, 8), (1, 2)],
    "false_negative_rate": [(2, 8), (1, 2)],
    "false_positive_rate": [(3, 12), (0, 8)],
    "true_negative_rate": [(9, 12), (8, 8)],
    "precision": [(6, 9), (1, 1)],
    "rate_among_answered": [(9, 20), (1, 10)],  # nobody is unclear: the selection rate
    "retrieval_rate": [(9, 20), (1, 10)],  # the selection rate of "among the first k"
}


def counted(cells=CELLS):
    return grouped_counts(confusion(cells), ["group"], {"group": tuple(cells)})


@pytest.mark.parametrize("name", METRICS)
def test_events_denominators_and_the_estimate_of_record_by_hand(name):
    tallied = tally(counted(), METRICS[name], YES)
    assert list(zip(tallied.events.tolist(), tallied.n.tolist(), strict=True)) == BY_HAND[name]
    assert tallied.images.tolist() == [20, 10]
    estimates = point_estimates(counted(), [name], YES)[name]
    assert estimates.by_group.tolist() == [k / n for k, n in BY_HAND[name]]
    (k_a, n_a), (k_b, n_b) = BY_HAND[name]
    assert estimates.overall == (k_a + k_b) / (n_a + n_b)


def test_every_metric_is_tested_and_says_where_it_is_defined():
    assert set(BY_HAND) == set(METRICS)
    assert all(metric.name == name and metric.source.startswith("https://") for name, metric in METRICS.items())
    assert {name: metric.better for name, metric in METRICS.items() if metric.better != "high"} == {
        "selection_rate": "neither", "rate_among_answered": "neither", "retrieval_rate": "neither", "false_negative_rate": "low",
        "false_positive_rate": "low",
    }  # fmt: skip


RACES = {"White": 2085, "Latino_Hispanic": 1623, "Black": 1556, "East Asian": 1550, "Indian": 1516, "Southeast Asian": 1415,
         "Middle Eastern": 1209}  # fmt: skip
WORDS = ("person", "teacher", "thief", "criminal")
LEVELS = {"race": tuple(RACES), "gender": ("Male", "Female")}


def fairface(seed):
    """Synthetic answers of the size of the FairFace validation set: 10,954 images, 14 groups, four words."""
    rng = np.random.default_rng(seed)
    race = np.repeat(list(RACES), list(RACES.values()))
    attributes = pd.DataFrame({"race": race, "gender": rng.choice(["Female", "Male"], len(race), p=[0.47, 0.53])})
    y_true = rng.choice(WORDS, len(race), p=[0.5, 0.3, 0.1, 0.1])
    y_pred = np.where(rng.random(len(race)) < rng.uniform(0.3, 0.9), y_true, rng.choice(WORDS, len(race)))
    return answered(y_pred, attributes, y_true, WORDS)


@pytest.mark.slow
@pytest.mark.parametrize("outcome", [("thief",), ("thief", "criminal"), ("person",)])
def test_estimates_equal_fairlearn_on_the_images_exactly(outcome):
    """10,954 rows given to fairlearn against the count table: `==`, no tolerance, for every one of 14 groups and overall."""
    given = fairface(seed=len(outcome))
    rates = {"selection_rate": selection_rate, "true_positive_rate": true_positive_rate, "false_positive_rate": false_positive_rate}
    y_true, y_pred = (np.isin(answers, outcome).astype(int) for answers in (given.y_true, given.y_pred))
    metrics = {"accuracy": accuracy_score, **rates}
    rows = MetricFrame(metrics=metrics, y_true=y_true, y_pred=y_pred, sensitive_features=given.attributes)
    counts = grouped_counts(given, ["race", "gender"], LEVELS)
    ours = point_estimates(counts, ["accuracy", *rates], frozenset(outcome))
    assert len(counts.groups) == 14
    for name, estimates in ours.items():
        tallied = tally(counts, METRICS[name], frozenset(outcome))
        assert estimates.by_group.tolist() == [rows.by_group.loc[group, name] for group in counts.groups], name
        assert estimates.by_group.tolist() == (tallied.events / tallied.n).tolist(), name
        assert estimates.overall == rows.overall[name] == tallied.events.sum() / tallied.n.sum(), name


def test_accuracy_over_four_answers_equals_scikit_learn_on_the_images_exactly():
    given = fairface(seed=7)
    rows = MetricFrame(metrics={"a": accuracy_score}, y_true=given.y_true, y_pred=given.y_pred, sensitive_features=given.attributes)
    counts = grouped_counts(given, ["race", "gender"], LEVELS)
    ours = point_estimates(counts, ["accuracy"], None)["accuracy"]
    assert ours.by_group.tolist() == [rows.by_group.loc[group, "a"] for group in counts.groups]
    assert ours.overall == rows.overall["a"]


@pytest.mark.parametrize("cells", [None, (0, 0, 3, 4), (3, 4, 0, 0), (0, 5, 0, 5), (5, 0, 5, 0), (1, 0, 0, 0), (0, 0, 0, 1)])
def test_all_metrics_come_from_one_frame_where_degenerate_groups_neither_warn_nor_move_the_others(cells):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        both = point_estimates(counted(CELLS if cells is None else {**CELLS, "odd": cells}), list(METRICS), YES)
    for name, estimates in both.items():
        assert estimates.by_group[:2].tolist() == [k / n for k, n in BY_HAND[name]], name


def test_swapping_yes_and_no_exchanges_the_true_rates():
    no = frozenset({"no"})
    pairs = ("true_positive_rate", "true_negative_rate"), ("false_positive_rate", "false_negative_rate")
    for name, mirrored in (*pairs, ("accuracy", "accuracy")):
        first, second = tally(counted(), METRICS[name], YES), tally(counted(), METRICS[mirrored], no)
        assert (first.events.tolist(), first.n.tolist()) == (second.events.tolist(), second.n.tolist())
        ours, theirs = point_estimates(counted(), [name], YES)[name], point_estimates(counted(), [mirrored], no)[mirrored]
        assert ours.by_group.tolist() == theirs.by_group.tolist()


def test_the_state_of_a_group_depends_on_the_denominator_and_a_single_image_is_never_enough():
    """Of the true positive rate with at least 8 positives: a has 8, b 2, c none; d has no image at all."""
    counts = grouped_counts(confusion({**CELLS, "c": (0, 0, 3, 30)}), ["group"], {"group": ("a", "b", "c", "d")})
    assert tally(counts, METRICS["true_positive_rate"], YES).statuses(8) == ("ok", "small", "not estimable", "absent")
    assert tally(counts, METRICS["selection_rate"], YES).statuses(8) == ("ok", "ok", "ok", "absent")
    # Unknown groups are counted.
    counts = grouped_counts(confusion({"a": (1, 0, 0, 0), UNKNOWN: (50, 0, 0, 50)}), ["group"], {"group": ("a",)})
    tallied = tally(counts, METRICS["accuracy"], YES)
    assert tallied.statuses(1) == ("small", "unknown")
    assert tallied.n.tolist() == [1, 100]


def test_an_image_without_a_true_answer_is_neither_right_nor_wrong():
    """Four images, one of unknown truth: accuracy is 2 of 3, yet 3 of 4 answers are "yes"."""
    given = answered(["yes", "yes", "yes", "no"], ONE.loc[[0] * 4], np.array(["yes", "yes", "no", UNKNOWN]))
    counts = grouped_counts(given, ["group"], {"group": ("a",)})
    estimates = point_estimates(counts, ["accuracy", "selection_rate"], YES)
    assert (estimates["accuracy"].overall, estimates["selection_rate"].overall) == (2 / 3, 3 / 4)
    assert [int(tally(counts, METRICS[name], YES).n.sum()) for name in ("accuracy", "selection_rate")] == [3, 4]
    # Without any, nothing is estimated.
    counts = grouped_counts(answered(["yes"], ONE, np.array([UNKNOWN])), ["group"], {"group": ("a",)})
    assert np.isnan(point_estimates(counts, ["accuracy"], None)["accuracy"].overall)
    assert majority_baseline(counts, None, ("yes", "no")).tolist() == [0]


def test_the_baseline_always_gives_the_commonest_true_answer_of_all():
    """True answers: a has 8 yes and 12 no, b 2 and 8; "no" is commoner overall: 12 of 20 and 8 of 10 right."""
    assert majority_baseline(counted(), None, ("yes", "no")).tolist() == [12, 8]
    assert majority_baseline(counted(), YES, ("yes", "no")).tolist() == [12, 8]
    # A tie goes to the first declared.
    for answers, right in ((("yes", "no"), [2, 0]), (("no", "yes"), [0, 2])):
        assert majority_baseline(counted({"a": (2, 0, 0, 0), "b": (0, 0, 0, 2)}), None, answers).tolist() == right


def test_extremes_of_equal_rates_are_two_groups():
    assert extremes(np.array([0.5, 0.5, 0.5])) == (0, 2)
    assert extremes(np.array([0.2, 0.9, 0.1, 0.9])) == (1, 2)


MEASUREMENT = Measurement(
    "words", "?", LabelSet("l", ("yes", "no"), {}), "p v1", (), truth="t", outcomes={"good": ("yes",), "typo": ("yess",), "none": ()}
)


@pytest.mark.parametrize(
    ("claim", "message", "fix"),
    [
        (Claim("acuracy", ("group",)), "no metric 'acuracy'", "did you mean accuracy?"),
        (Claim("selection_rate", ("group",), "goood"), "no outcome 'goood'", "did you mean good?"),
        (Claim("selection_rate", ("group",)), "selection_rate needs an outcome", "choose one of: good"),
        (Claim("selection_rate", ("group",), "typo"), "names yess", "choose one of: no, yes"),
        (Claim("selection_rate", ("group",), "none"), "names no answer", "choose one of: no, yes"),
    ],
)
def test_a_claim_that_makes_no_sense_says_so(claim, message, fix):
    with pytest.raises(UsageError) as error:
        resolve(MEASUREMENT, claim, confusion(CELLS))
    assert message in str(error.value)
    assert fix in str(error.value)
    assert "measurement 'words'" in str(error.value)


def test_accuracy_without_truth_says_so():
    with pytest.raises(UsageError, match="accuracy needs a true answer"):
        resolve(MEASUREMENT, Claim("accuracy", ("group",)), answered(["yes"], ONE))


def test_a_rate_among_those_answered_leaves_out_who_is_unclear_and_is_masked_where_all_are():
    # Group a: 3 yes, 1 no, 6 unclear: 3 of 4, though 3 of 10 are given "yes". Group b: 2 yes, 2 no: 2 of 4. Group c: all unclear.
    answers = [*["yes"] * 3, "no", *["unclear"] * 6, *["yes"] * 2, *["no"] * 2, *["unclear"] * 5]
    groups = pd.DataFrame({"group": [*["a"] * 10, *["b"] * 4, *["c"] * 5]})
    table = grouped_counts(answered(np.array(answers), groups, None, ("yes", "no", "unclear")), ["group"], {"group": ("a", "b", "c")})

    tallied = tally(table, METRICS["rate_among_answered"], YES)
    assert (tallied.events.tolist(), tallied.n.tolist()) == ([3, 2, 0], [4, 4, 0])
    assert tallied.statuses(4) == ("ok", "ok", "not estimable")
    estimates = point_estimates(table, ["selection_rate", "rate_among_answered"], YES)
    assert estimates["rate_among_answered"].by_group[:2].tolist() == [0.75, 0.5]
    assert (estimates["rate_among_answered"].overall, estimates["selection_rate"].by_group[0]) == (5 / 8, 0.3)
    # More who are unclear move no rate among those answered.
    more = pd.concat([groups, pd.DataFrame({"group": ["a"] * 7})], ignore_index=True)
    other = grouped_counts(
        answered(np.array([*answers, *["unclear"] * 7]), more, None, ("yes", "no", "unclear")), ["group"], {"group": ("a", "b", "c")}
    )
    assert tally(other, METRICS["rate_among_answered"], YES).n.tolist() == [4, 4, 0]
