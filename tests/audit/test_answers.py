"""From labels to answers: shares add up; of independent probabilities at least one label must apply. By hand, and from start to end."""

from dataclasses import replace

import numpy as np
import pytest

import audit
from audit.answers import answer_probabilities, answers_of, are_shares, of_any
from audit.testing import FakeEncoder, four_faces, gender_probe
from audit.types import LabelSet
from reports.render import render
from tests.support.page_text import text_of

LABELS = ("white man", "white woman", "black man", "black woman")
ANSWERS = {label: label.split(" ")[0].capitalize() for label in LABELS}


def label_set(combine):
    return LabelSet("races", LABELS, {}, ANSWERS, combine)


def by_answer(scores, combine):
    return answer_probabilities(np.array(scores, np.float32), LABELS, ("White", "Black"), label_set(combine)).tolist()


def test_the_best_label_or_the_sum():
    """First image: the best label is 'white man' at .40, but both Black labels together have .55."""
    scores = [[0.40, 0.05, 0.30, 0.25], [0.10, 0.20, 0.60, 0.10]]
    assert answers_of(label_set("sum")) == ("White", "Black")
    assert by_answer(scores, "argmax") == [pytest.approx([0.40, 0.30]), pytest.approx([0.20, 0.60])]
    assert by_answer(scores, "sum") == [pytest.approx([0.45, 0.55]), pytest.approx([0.30, 0.70])]


def test_of_independent_probabilities_at_least_one():
    """1 - .5 x .25 and 1 - .75 x .75; their sums would be 1.25 and .5. The best label is the best label in either case."""
    scores = [[0.5, 0.75, 0.25, 0.25]]
    assert not are_shares(np.array(scores))
    assert by_answer(scores, "sum") == [pytest.approx([0.875, 0.4375])]
    assert by_answer(scores, "argmax") == [[0.75, 0.25]]
    assert of_any(np.array([[1.0, 0.5], [1e-20, 1e-20], [0.0, 0.0]]), shares=False).tolist() == [1.0, pytest.approx(2e-20), 0.0]
    # No sum exceeds 1, whatever the number of labels, and none is below its best label.
    many = np.random.default_rng(0).random((200, 30))
    assert (many.max(axis=1) <= of_any(many, shares=False)).all()
    assert of_any(many, shares=False).max() <= 1


@pytest.fixture(scope="module")
def summed():
    """A question whose answers have two prompts each, put to a model with independent probabilities."""
    prompts = {"woman": ("a woman",), "lady": ("a woman again",), "man": ("a man",), "lad": ("a man again",)}
    answers = {"woman": "Female", "lady": "Female", "man": "Male", "lad": "Male"}
    dataset = four_faces(40)
    (asked,) = gender_probe(dataset).measurements
    asked = replace(asked, label_set=LabelSet("gender", tuple(prompts), prompts, answers, "sum"))
    return replace(gender_probe(dataset), measurements=(asked,))


@pytest.mark.slow_except("0.5")
@pytest.mark.parametrize("scale", [0.5, 10.0])
def test_a_model_with_independent_probabilities_and_summed_answers_is_audited(summed, scale, tmp_path):
    """Red: a cosine of 1 with both words of a woman and of 0 with both of a man; .99995 and .5 at scale 10, which add up to 3."""
    encoder = FakeEncoder(logit_scale=scale)
    encoder.record = replace(encoder.record, score_rule="sigmoid", logit_bias=0.0)
    found = audit.audit(encoder, summed, cache_root=tmp_path / "cache", min_group_size=20)
    p = 1 / (1 + np.exp([-scale, 0]))
    record = found.results.audits[0].measurements[0]
    assert record.mean_margin == pytest.approx((1 - p[1]) ** 2 - (1 - p[0]) ** 2, rel=1e-5)
    accuracy = found.results.audits[0].findings[0]
    assert [(rate.group, rate.events, rate.n) for rate in accuracy.by_group] == [(("Black",), 40, 80), (("White",), 80, 80)]
    assert "An answer has the probability that at least one of its labels applies, 1 − (1 − p₁)(1 − p₂)…" in text_of(render(found.results))
