"""What-ifs in words: a neutral label on a planted set, prompts over other attributes, no answer."""

import itertools
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from audit.errors import UsageError
from audit.extensions.whatif.compare import Tried, furthest_pair, what_if
from audit.extensions.whatif.labels import abstain, aggregate, margin_at, neutral_label
from audit.measure.embedded import AskedMeasurement
from audit.statistics.metrics import METRICS
from audit.statistics.paired.counted import Judge
from audit.types import NOT_ANSWERED, Claim, LabelSet, Measurement, ModelRecord, Settings

RECORD = ModelRecord("m", "k", "f", "s", 0, 3, "float32", "softmax", 10.0, None, "a", "p", "t")
AXES = dict(zip(("a person", "a thief", "a child"), np.eye(3), strict=True))
PERSON, THIEF, CHILD_THIEF, CHILD_PERSON = [0.9, 0.3, 0.1], [0.3, 0.9, 0.1], [0.1, 0.5, 0.8], [0.5, 0.1, 0.8]

# young: 30 persons, 20 whom the model takes for thieves though they look like children more, 50 persons who look like children more;
# old: 80 persons, 20 thieves without any child in them.
FACES = {"young": [(PERSON, 30), (CHILD_THIEF, 20), (CHILD_PERSON, 50)], "old": [(PERSON, 80), (THIEF, 20)]}


def asked(faces=FACES, truth=None):
    vectors = np.concatenate([np.tile(v, (n, 1)) for kinds in faces.values() for v, n in kinds])
    age = np.repeat(list(faces), [sum(n for _, n in kinds) for kinds in faces.values()])
    rows = pd.DataFrame({"age": age, "seen": ["person"] * len(age)}, index=[f"face{i}" for i in range(len(age))], dtype="str")
    label_set = LabelSet("two", ("person", "thief"), {"person": ("a person",), "thief": ("a thief",)})
    claim = Claim("selection_rate", ("age",), "crime")
    measurement = Measurement("harm", "?", label_set, "p v1", (claim,), truth=truth, outcomes={"crime": ("thief",)})
    return AskedMeasurement(measurement, RECORD, vectors.astype(np.float32), {k: AXES[k] for k in ("a person", "a thief")}, rows)


def with_child(given):
    return neutral_label(given, "child", {"a child": AXES["a child"]})


def crime(predictions):
    """Share of "thief" by age."""
    return {age: float((predictions.y_pred[predictions.attributes["age"] == age] == "thief").mean()) for age in FACES}


def judge(**settings):
    return Judge("harm/selection_rate[crime]/age", METRICS["selection_rate"], frozenset({"thief"}), ("age",), {"age": ("young", "old")},
                 Settings(draws=999, **settings))  # fmt: skip


def test_adding_child_moves_the_harm_rate_as_computed_by_hand():
    """Before, 20 of 100 young and 20 of 100 old are thieves. 'child' takes the 20 young ones (.8 against .5) and no old one."""
    before = asked().answers()
    assert crime(before) == {"young": 0.2, "old": 0.2}
    after = with_child(asked()).answers()
    assert crime(after) == {"young": 0.0, "old": 0.2}
    assert (after.y_pred == "child").sum() == 20 + 50
    scored = asked(truth="seen")
    tried = Tried("neutral label", "+ child", (), True, before, after, (scored.answers(), with_child(scored).answers()))
    found = what_if(tried, (("old",), ("young",)), judge())
    assert (found.gap_before.value, found.gap.value, found.change.value) == (0.0, pytest.approx(0.2), pytest.approx(0.2))
    young, old = found.by_group
    assert (young.before, young.after, young.moved) == (0.2, 0.0, 0.7)
    assert (old.before, old.after, old.moved) == (0.2, 0.2, 0.0)
    # The cost: 160 of 200 were rightly persons; the 50 whom 'child' took are no longer.
    assert (found.utility.before, found.utility.after) == (0.8, 0.55)
    assert found.outcome == "larger"  # the rates fell, and the gap grew


def test_a_new_label_never_raises_the_count_of_another():
    source = np.random.default_rng(0)
    for _ in range(20):
        vectors, rows = source.normal(size=(300, 3)).astype(np.float32), asked().attributes.iloc[np.arange(300) % 200]
        given = replace(asked(), image_embeddings=vectors, attributes=rows.reset_index(drop=True))
        before = given.answers()
        after = neutral_label(given, "child", {"a child": source.normal(size=3)}).answers()
        for age, label in itertools.product(FACES, ("person", "thief")):
            inside = (given.attributes["age"] == age).to_numpy()
            assert (after.y_pred[inside] == label).sum() <= (before.y_pred[inside] == label).sum()


def test_prompts_are_summed_over_other_attributes():
    """p(race) = sum over gender of softmax(tau x . z), four prompts; by hand on three images."""
    source = np.random.default_rng(1)
    names = list(itertools.product(("White", "Black"), ("man", "woman")))
    texts = {f"a {race} {gender}": source.normal(size=3) for race, gender in names}
    label_set = LabelSet("race", ("White", "Black"), {"White": ("w",), "Black": ("b",)})
    rows = pd.DataFrame({"g": ["x"] * 3}, dtype="str")
    images = source.normal(size=(3, 3))
    given = AskedMeasurement(Measurement("race", "?", label_set, "p", ()), RECORD, images, {"w": np.ones(3), "b": -np.ones(3)}, rows)
    found = aggregate(given, {(race, gender): (f"a {race} {gender}",) for race, gender in names}, texts).answers()
    unit = [(stack := np.stack(list(each))) / np.linalg.norm(stack, axis=1, keepdims=True) for each in (images, texts.values())]
    weights = np.exp(10.0 * unit[0] @ unit[1].T)
    shares = weights / weights.sum(axis=1, keepdims=True)
    white = shares[:, :2].sum(axis=1)
    assert found.y_pred.tolist() == np.where(white >= 0.5, "White", "Black").tolist()
    assert found.margin == pytest.approx(np.abs(2 * white - 1), abs=1e-6)
    assert found.answers == ("White", "Black")


def test_a_label_that_is_there_already_and_prompts_for_other_answers_are_refused():
    with pytest.raises(UsageError, match="already offers"):
        neutral_label(asked(), "thief", {"a thief": AXES["a thief"]})
    with pytest.raises(UsageError, match="something else"):
        aggregate(asked(), {("person", "old"): ("x",)}, {"x": np.ones(3)})


def test_no_answer_below_a_margin():
    before = asked().answers()
    child_thief, child_person, thief = (float(before.margin[i]) for i in (30, 50, 180))
    assert child_thief == pytest.approx(child_person)
    assert child_thief < thief
    after = abstain(before, max(child_thief, child_person))
    assert crime(after) == {"young": 0.0, "old": 0.2}
    # Both kinds of young children lie as close to the edge: seven young in ten get no answer, and no old one.
    assert (after.y_pred == NOT_ANSWERED).sum() == 70
    assert after.answers == ("person", "thief", NOT_ANSWERED)
    assert abstain(before, 0.0).y_pred.tolist() == before.y_pred.tolist()
    # The margin is chosen for a coverage.
    assert (abstain(before, margin_at(before, 0.6)).y_pred != NOT_ANSWERED).mean() >= 0.6
    assert margin_at(before, 1.0) == 0.0


def test_the_pair_is_chosen_on_the_fit_half():
    after = with_child(asked()).answers()
    assert furthest_pair(after, after, judge()) == (("old",), ("young",))
    assert furthest_pair(after, after, judge(min_group_size=150)) is None
