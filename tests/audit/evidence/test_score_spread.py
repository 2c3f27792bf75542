"""Spread of scores by group: quantiles worked by hand, sums where labels share one probability, nothing without probabilities."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from audit.evidence.base import Scored
from audit.evidence.score_spread import score_spreads
from audit.types import UNKNOWN, Claim, LabelSet, Measurement, Predictions

LEVELS = {"race": ("A", "B"), "gender": ("f", "m")}
ASKED = Measurement(
    "words", "What?", LabelSet("l", ("thief", "animal", "person"), {}), "v1",
    (Claim("selection_rate", ("race",), "harm"), Claim("selection_rate", ("race",), "thief", primary=False),
     Claim("accuracy", ("gender",))),
    truth="word", outcomes={"harm": ("thief", "animal"), "thief": ("thief",)},
)  # fmt: skip
# Five images of A with harm probabilities 0, .1, .2, .3, .4 and one of B with .9.
SCORES = np.array([[0.0, 0.0, 1.0], [0.05, 0.05, 0.9], [0.1, 0.1, 0.8], [0.3, 0.0, 0.7], [0.2, 0.2, 0.6], [0.4, 0.5, 0.1]], np.float32)


@pytest.fixture
def answered():
    return Predictions(
        labels=("thief", "animal", "person"), answers=("thief", "animal", "person"), scores=SCORES,
        y_pred=np.array(["person"] * 5 + ["animal"]), y_true=np.array(["person", "person", "thief", UNKNOWN, "person", "animal"]),
        attributes=pd.DataFrame({"race": list("AAAAAB"), "gender": list("fffmmm")}), margin=np.ones(6, np.float32),
    )  # fmt: skip


def found(answered, outcome, by):
    spreads = {
        (score_spread.outcome, score_spread.attributes): score_spread for score_spread in score_spreads(Scored(ASKED, answered, LEVELS))
    }
    return {cell.group: (cell.n, cell.quantiles) for cell in spreads[outcome, by].groups}


def test_an_outcomes_probability_is_the_sum_over_its_labels(answered):
    cells = found(answered, "harm", ("race",))
    assert cells[("A",)][0] == 5
    # Of 0, .1, .2, .3, .4 the median is .2 and the quartiles .1 and .3; 5 % lies a fifth of the way from 0 to .1.
    assert cells[("A",)][1] == pytest.approx((0.02, 0.1, 0.2, 0.3, 0.38), abs=1e-6)
    assert cells[("B",)] == (1, pytest.approx((0.9,) * 5, abs=1e-6))


def test_the_true_answers_probability_leaves_out_what_is_not_known(answered):
    cells = found(answered, None, ("gender",))
    # f: 1, .9 and .1 (a thief); m: .6 and .5, the unknown left out.
    assert cells[("f",)][0] == 3
    assert cells[("f",)][1][2] == pytest.approx(0.9)
    assert cells[("m",)][0] == 2
    assert cells[("m",)][1][2] == pytest.approx(0.55)


def test_only_what_counts_is_shown_and_independent_probabilities_are_not_summed(answered):
    assert {score_spread.outcome for score_spread in score_spreads(Scored(ASKED, answered, LEVELS))} == {None, "harm"}
    independent = replace(answered, scores=np.full((6, 3), 0.9, np.float32))
    assert found(independent, "harm", ("race",))[("A",)][1] == pytest.approx((0.9,) * 5)


def test_the_order_of_the_images_does_not_matter(answered):
    order = np.array([5, 3, 1, 0, 2, 4])
    shuffled = replace(answered, scores=SCORES[order], y_pred=answered.y_pred[order], y_true=answered.y_true[order],
                       attributes=answered.attributes.iloc[order])  # fmt: skip
    assert list(score_spreads(Scored(ASKED, shuffled, LEVELS))) == list(score_spreads(Scored(ASKED, answered, LEVELS)))


@pytest.mark.parametrize("scores", [np.zeros((6, 0), np.float32), np.full((6, 3), 7.0, np.float32)])
def test_without_probabilities_there_is_nothing(answered, scores):
    assert not list(score_spreads(Scored(ASKED, replace(answered, scores=scores), LEVELS)))
