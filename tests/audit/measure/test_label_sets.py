"""Many label sets in one pass give the answers of one after another, and so the same events."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from audit.errors import DataError, UsageError
from audit.measure import label_sets, zero_shot
from audit.measure.label_sets import answer_all
from audit.measure.zero_shot import predict
from audit.statistics.metrics import METRICS, row_events
from audit.testing import FakeEncoder
from audit.types import UNKNOWN, LabelSet, Measurement

LABELS = ("a", "b", "c", "d")
PLAIN = {label: (f"a photo of {label}",) for label in LABELS}
ENSEMBLE = {label: (f"a photo of {label}", f"a drawing of {label}") for label in LABELS}
TWO = {"a": "x", "b": "x", "c": "y", "d": "y"}
N = 300


def asked(name, prompts, truth=None, **more):
    return Measurement(name, "?", LabelSet(name, LABELS, prompts, **more), "plain v1", (), truth)


MEASUREMENTS = (
    asked("plain", PLAIN, "label"), asked("ensemble", ENSEMBLE, "label"), asked("best", PLAIN, "pair", answers=TWO),
    asked("sum", ENSEMBLE, "pair", answers=TWO, combine="sum"), asked("no truth", PLAIN, answers=TWO, combine="sum"),
    replace(asked("a third", PLAIN, "label"), only=("pair", "x")), replace(asked("a part", PLAIN), only=("pair", "y")),
)  # fmt: skip


@pytest.fixture
def given(monkeypatch):
    """Three hundred images in chunks of 128; the truth of every seventh is not known."""
    monkeypatch.setattr(label_sets, "_CHUNK", 128)
    rng = np.random.default_rng(0)
    label = np.where(np.arange(N) % 7, rng.choice(LABELS, N), UNKNOWN)
    attributes = pd.DataFrame({"label": label, "pair": [TWO.get(each, UNKNOWN) for each in label]}, dtype="str")
    texts = {prompt: rng.normal(size=8) for prompts in ENSEMBLE.values() for prompt in prompts}
    return rng.normal(size=(N, 8)).astype(np.float32), texts, attributes


@pytest.mark.parametrize("rule", [{"logit_scale": 5.0}, {"score_rule": "sigmoid", "logit_scale": 5.0, "logit_bias": -2.0}])
def test_each_label_set_is_answered_as_by_itself(given, rule):
    record = replace(FakeEncoder().record, dimensions=8, **rule)
    for measurement, found in zip(MEASUREMENTS, answer_all(MEASUREMENTS, record, *given), strict=True):
        alone = predict(measurement, record, *given)
        assert found.answers == alone.answers
        assert found.y_pred.tolist() == alone.y_pred.tolist()
        assert (found.y_true is None) == (alone.y_true is None)
        assert found.y_true is None or found.y_true.tolist() == alone.y_true.tolist()
        pd.testing.assert_frame_equal(found.attributes, alone.attributes)
        outcome = frozenset({"x"}) if "x" in found.answers else frozenset({"a"})
        for metric in METRICS.values():
            if found.y_true is not None or not metric.needs_truth:
                of = outcome if metric.needs_outcome else None
                ours, theirs = row_events(found, metric, of), row_events(alone, metric, of)
                assert ours.counted.tolist() == theirs.counted.tolist(), metric.name
                assert ours.event.tolist() == theirs.event.tolist(), metric.name


def test_mistakes_are_those_of_one_label_set(given):
    record = replace(FakeEncoder().record, dimensions=8)
    images, texts, attributes = given
    with pytest.raises(UsageError, match="fewer than two answers"):
        answer_all([asked("one", PLAIN, answers=dict.fromkeys(LABELS, "x"))], record, images, texts, attributes)
    with pytest.raises(DataError, match="true answers that the label set does not offer"):
        answer_all([asked("wrong", PLAIN, "pair")], record, images, texts, attributes)
    with pytest.raises(DataError, match="no direction"):
        answer_all(MEASUREMENTS[:1], record, 0 * images, texts, attributes)
    assert answer_all([], record, images, texts, attributes) == []


def test_probabilities_that_happen_to_add_up_to_one_are_still_independent(monkeypatch):
    """Sigmoid: of .2, .2, .3 and .3 one of the last two applies with .51, one of the first with .36, also where the image is alone."""
    wanted = np.array([0.2, 0.2, 0.3, 0.3])
    logits = np.log(wanted / (1 - wanted))
    record = replace(FakeEncoder().record, dimensions=4, score_rule="sigmoid", logit_scale=float(np.linalg.norm(logits)), logit_bias=0.0)
    texts = {f"a photo of {label}": row for label, row in zip(LABELS, np.eye(4), strict=True)}
    images = np.array([[1.0, 1.0, -1.0, -1.0], logits])
    measurement, attributes = asked("sum", PLAIN, answers=TWO, combine="sum"), pd.DataFrame(index=["first", "last"])
    for size in (1, 2):
        monkeypatch.setattr(label_sets, "_CHUNK", size)
        monkeypatch.setattr(zero_shot, "_CHUNK", size)
        alone = predict(measurement, record, images, texts, attributes)
        assert alone.scores[1] == pytest.approx(wanted, abs=1e-6)
        assert alone.margin[1] == pytest.approx(0.51 - 0.36, abs=1e-6)  # sums would give .2
        assert answer_all([measurement], record, images, texts, attributes)[0].y_pred.tolist() == alone.y_pred.tolist() == ["x", "y"]
