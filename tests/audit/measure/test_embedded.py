"""A measurement with its embeddings, and the two halves of the images."""

import numpy as np
import pandas as pd
import pytest

from audit.errors import DataError, UsageError
from audit.measure.embedded import AskedMeasurement, check_prompts, fit_half, require_disjoint
from audit.types import LabelSet, Measurement, ModelRecord

RECORD = ModelRecord("m", "k", "f", "s", 0, 3, "float32", "softmax", 10.0, None, "a", "p", "t")


def asked(images):
    """The first axis is a cup, the second a glass."""
    label_set = LabelSet("two", ("cup", "glass"), {"cup": ("a cup",), "glass": ("a glass",)})
    texts = dict(zip(("a cup", "a glass"), np.eye(3)[:2], strict=True))
    rows = pd.DataFrame({"hand": ["left"] * len(images)}, index=[f"image{i}" for i in range(len(images))], dtype="str")
    return AskedMeasurement(Measurement("thing", "?", label_set, "p v1", ()), RECORD, images.astype(np.float32), texts, rows)


def test_halves_keep_units_together_and_depend_on_no_order():
    units = [f"person{i % 40}" for i in range(200)]
    half = fit_half(units, seed=0)
    fitted, shown = ({unit for unit, fit in zip(units, half, strict=True) if fit == side} for side in (True, False))
    assert (len(fitted), len(shown), fitted & shown) == (20, 20, set())
    assert (fit_half(units[::-1], seed=0)[::-1] == half).all()
    assert (fit_half(units, seed=1) != half).any()
    require_disjoint(sorted(fitted), sorted(shown))
    with pytest.raises(DataError, match="person1"):
        require_disjoint(["person1", "person2"], ["person3", "person1"])


def test_a_part_of_the_images_gives_a_part_of_the_answers():
    given, rows = asked(np.random.default_rng(0).normal(size=(30, 3))), np.arange(30) % 3 == 0
    answers = given.answers().y_pred
    assert set(answers) == {"cup", "glass"}
    assert given.of(rows).answers().y_pred.tolist() == answers[rows].tolist()


def test_a_prompt_about_the_attribute_itself_is_refused():
    check_prompts(asked(np.eye(3)), np.array([[0.0, 0.5, 1.0]]))
    with pytest.raises(UsageError, match="the prompt 'a glass' is itself about the attribute"):
        check_prompts(asked(np.eye(3)), np.array([[0.1, 1.0, 0.5]]))
