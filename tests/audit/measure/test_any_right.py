"""Several right answers, and the best five: by hand, against a slow loop, and with labels in another order."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from audit.errors import UsageError
from audit.measure import predict, zero_shot
from audit.types import Claim, LabelSet, Measurement, ModelRecord

RECORD = ModelRecord("m", "k", "f", "s", 0, 2, "float32", "softmax", 10.0, None, "a", "p", "t")
LABELS = ("bed", "bath", "car", "dog", "egg", "fan", "gap")


def asked(kind, labels=LABELS, truth="topics"):
    names = LabelSet("things", labels, {label: (label,) for label in labels})
    return Measurement("thing", "what?", names, "p v1", (Claim("accuracy", ("region",)),), truth=truth, kind=kind)


def directions(labels=LABELS):
    return {label: np.eye(len(LABELS))[LABELS.index(label)] for label in labels}


def test_any_topic_is_right_and_nothing_else():
    """The three images are nearest to bath, car and dog: right for 'bed; bath', wrong for 'bed; egg', not scored without a topic."""
    images = np.eye(7)[[1, 2, 3, 3]]
    shown = pd.DataFrame({"topics": ["bed; bath", "bed; egg", "unknown", "sky"], "region": list("abab")}, index=list("wxyz"))
    found = predict(asked("any_right"), RECORD, images, directions(), shown)
    assert found.y_pred.tolist() == ["bath", "car"]
    assert found.y_true.tolist() == ["bath", "bed"]
    assert found.attributes.index.tolist() == ["w", "x"]


def test_one_right_answer_is_zero_shot():
    rng = np.random.default_rng(0)
    images, shown = rng.normal(size=(40, 7)), pd.DataFrame({"topics": rng.choice(LABELS, 40), "region": "a"})
    one, other = (predict(asked(kind), RECORD, images, directions(), shown) for kind in ("any_right", "zero_shot"))
    np.testing.assert_array_equal(one.y_pred, other.y_pred)
    np.testing.assert_array_equal(one.y_true, other.y_true)
    np.testing.assert_array_equal(one.scores, other.scores)


@pytest.mark.parametrize(("kind", "k"), [("any_right", 1), ("top_five", 5)])
def test_right_is_what_a_slow_loop_finds_whatever_the_order_of_the_labels(kind, k):
    rng = np.random.default_rng(1)
    images = rng.normal(size=(60, 7))
    topics = ["; ".join(rng.choice(LABELS, rng.integers(1, 4), replace=False)) for _ in range(60)]
    shown = pd.DataFrame({"topics": topics, "region": "a"})
    expected = []
    for image, cell in zip(images, topics, strict=True):
        cosines = sorted(
            ((float(image @ direction) / np.linalg.norm(image), label) for label, direction in directions().items()), reverse=True
        )
        expected.append(any(label in cell.split("; ") for _, label in cosines[:k]))
    for labels in (LABELS, LABELS[::-1]):
        found = predict(asked(kind, labels), RECORD, images, directions(labels), shown)
        assert (found.y_pred == found.y_true).tolist() == expected


def test_an_answer_outside_the_best_five_is_wrong_and_shown_as_the_best_label():
    images = np.array([[7.0, 6, 5, 4, 3, 2, 1]])
    for truth, right in (("egg", True), ("fan", False)):
        found = predict(asked("top_five"), RECORD, images, directions(), pd.DataFrame({"topics": [truth], "region": ["a"]}))
        assert bool(found.y_pred[0] == found.y_true[0]) is right
        assert found.y_pred[0] == ("egg" if right else "bed")


def test_without_a_truth_nothing_is_right():
    measurement = replace(asked("any_right"), truth=None)
    assert zero_shot.scored_images(measurement, pd.DataFrame({"region": ["a"]})).all()
    with pytest.raises(UsageError, match="has no truth"):
        predict(measurement, RECORD, np.eye(7)[:1], directions(), pd.DataFrame({"region": ["a"]}))
