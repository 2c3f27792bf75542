"""Zero-shot prediction, by hand and by what must not matter."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.errors import DataError, UsageError
from audit.measure.zero_shot import cosine_scores, ensemble, predict, predict_from_scores, probabilities
from audit.types import UNKNOWN, LabelSet, Measurement, ModelRecord

RECORD = ModelRecord("m", "k", "f" * 64, "0" * 64, 0, 2, "float32", "softmax", float(np.log(3)), None, "a", "p", "t")
SIGMOID = replace(RECORD, score_rule="sigmoid", logit_bias=float(-np.log(3)))

# Two axes: "man" lies on the first, "woman" on the second.
TEXTS = {"a man": np.array([1.0, 0.0]), "a woman": np.array([0.0, 1.0])}
GENDER = LabelSet("gender", ("man", "woman"), {"man": ("a man",), "woman": ("a woman",)})
IMAGES = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [0.6, 0.8]], np.float32)
PEOPLE = pd.DataFrame({"gender": ["man", "woman", "woman", "man"]}, index=["a", "b", "c", "d"], dtype="str")


def measurement(label_set=GENDER, truth="gender"):
    return Measurement("gender", "who?", label_set, "plain v1", (), truth)


def random_case(seed=0, images=40, labels=6, dimensions=8):
    rng = np.random.default_rng(seed)
    names = tuple(f"label {i}" for i in range(labels))
    label_set = LabelSet("random", names, {name: (f"{name} one", f"{name} two") for name in names})
    texts = {prompt: rng.normal(size=dimensions) for prompts in label_set.prompts.values() for prompt in prompts}
    embeddings = rng.normal(size=(images, dimensions)).astype(np.float32)
    return label_set, texts, embeddings, pd.DataFrame(index=[str(i) for i in range(images)])


def test_four_images_by_hand():
    """Cosines with man, woman: (1, 0), (0, 1), (.7, .7), (.6, .8). At a scale of log 3 a difference of 1 is odds of 3: 3/4 and 1/4.

    The third image is a tie and goes to the first declared label. The fourth has odds 3 ** .2 = 1.2457: .4453 and .5547, margin .1094.
    """
    found = predict(measurement(), RECORD, IMAGES, TEXTS, PEOPLE)
    np.testing.assert_allclose(found.scores[:3], [[0.75, 0.25], [0.25, 0.75], [0.5, 0.5]], rtol=1e-6)
    assert found.y_pred.tolist() == ["man", "woman", "man", "woman"]
    assert found.y_true.tolist() == ["man", "woman", "woman", "man"]
    np.testing.assert_allclose(found.margin, [0.5, 0.5, 0.0, 0.1094], atol=5e-5)
    assert found.labels == found.answers == ("man", "woman")
    assert found.scores.dtype == np.float32
    assert list(found.attributes.index) == ["a", "b", "c", "d"]


def test_a_tie_goes_to_the_label_declared_first():
    other_way = LabelSet("gender", ("woman", "man"), GENDER.prompts)
    assert predict(measurement(), RECORD, IMAGES[2:3], TEXTS, PEOPLE[2:3]).y_pred.tolist() == ["man"]
    assert predict(measurement(other_way), RECORD, IMAGES[2:3], TEXTS, PEOPLE[2:3]).y_pred.tolist() == ["woman"]


def test_sigmoid_scores_are_independent():
    """Scale log 3, bias -log 3. Cosine 1: logit 0, probability 1/2. Cosine 0: logit -log 3, probability 1/4. No need to sum to 1."""
    np.testing.assert_allclose(probabilities(np.array([[1.0, 0.0]]), SIGMOID), [[0.5, 0.25]])
    np.testing.assert_allclose(probabilities(np.array([[1.0, 1.0]]), SIGMOID), [[0.5, 0.5]])
    # The bias moves every sigmoid and no softmax.
    cosine = np.array([[0.3, -0.2]])
    assert (probabilities(cosine, replace(SIGMOID, logit_bias=1.0)) > probabilities(cosine, SIGMOID)).all()
    np.testing.assert_allclose(probabilities(cosine, replace(RECORD, logit_bias=1.0)), probabilities(cosine, RECORD))


def test_extreme_logits_stay_finite_and_a_saturated_sigmoid_still_knows_the_best_label():
    steep = replace(RECORD, logit_scale=1e5)
    np.testing.assert_array_equal(probabilities(np.array([[1.0, -1.0]]), steep), [[1.0, 0.0]])
    np.testing.assert_array_equal(probabilities(np.array([[1.0, -1.0]]), replace(steep, score_rule="sigmoid")), [[1.0, 0.0]])
    # Logits 600 and 800 both round to probability 1; the answer must be the larger, not the first.
    steep = replace(SIGMOID, logit_scale=1000.0, logit_bias=0.0)
    found = predict(measurement(truth=None), steep, IMAGES[3:], TEXTS, PEOPLE[3:])
    assert found.scores.tolist() == [[1.0, 1.0]]
    assert found.y_pred.tolist() == ["woman"]


def shared(answers, odds, combine="argmax"):
    """Return the answer to one image, of three labels with these odds."""
    label_set = LabelSet("shared", ("p", "q", "r"), {name: (name,) for name in answers}, answers, combine)
    logits = np.log([odds])
    record = replace(RECORD, logit_scale=float(np.linalg.norm(logits)))
    return predict(measurement(label_set, None), record, logits, dict(zip("pqr", np.eye(3), strict=True)), pd.DataFrame(index=["a"]))


def test_labels_that_share_an_answer_compete_for_it():
    """Softmax of logits log 4, log 3, log 3: .4, .3, .3. By argmax the first label's answer wins; summed, the other answer has .6."""
    best, summed = (shared({"p": "one", "q": "two", "r": "two"}, [4.0, 3.0, 3.0], combine) for combine in ("argmax", "sum"))
    np.testing.assert_allclose(best.scores, [[0.4, 0.3, 0.3]], rtol=1e-6)
    assert best.answers == summed.answers == ("one", "two")
    assert best.y_pred.tolist() == ["one"]
    assert summed.y_pred.tolist() == ["two"]
    np.testing.assert_allclose([best.margin[0], summed.margin[0]], [0.1, 0.2], rtol=1e-5)
    assert best.y_true is None


def test_summed_answers_of_independent_probabilities_go_to_the_one_that_most_probably_applies():
    """.6 against two labels of .35: their sum is .7, that at least one applies .5775. Beyond rounding the logits decide, as of labels."""
    answers = {"p": "one", "q": "two", "r": "two"}
    asked = measurement(LabelSet("shared", ("p", "q", "r"), {name: (name,) for name in answers}, answers, "sum"), None)
    scores = np.array([[0.6, 0.35, 0.35], [0.5, 0.35, 0.35], [1.0, 1.0, 1.0]])
    logits = np.array([*np.log(scores[:2] / (1 - scores[:2])), [50.0, 49.9, 49.9]])
    found = predict_from_scores(asked, logits, scores, pd.DataFrame(index=["a", "b", "c"]))
    assert found.y_pred.tolist() == ["one", "two", "two"]
    np.testing.assert_allclose(found.margin, [0.6 - 0.5775, 0.5775 - 0.5, 0.0], rtol=1e-5)


def test_two_labels_of_the_best_answer_do_not_make_a_small_margin():
    """Scores .45, .45, .1; the two best labels mean the same answer, so the margin is .35, not 0."""
    found = shared({"p": "one", "q": "one", "r": "two"}, [9.0, 9.0, 2.0])
    np.testing.assert_allclose(found.margin, [0.35], rtol=1e-5)


def test_rows_whose_truth_is_unknown_are_left_out():
    people = PEOPLE.assign(gender=["man", UNKNOWN, "woman", "man"])
    found = predict(measurement(), RECORD, IMAGES, TEXTS, people)
    assert list(found.attributes.index) == ["a", "c", "d"]
    assert found.y_true.tolist() == ["man", "woman", "man"]
    assert found.y_pred.tolist() == ["man", "man", "woman"]
    assert len(predict(measurement(truth=None), RECORD, IMAGES, TEXTS, people).y_pred) == 4


def test_only_the_images_with_the_level_that_is_asked_are_answered():
    people = PEOPLE.assign(scene=["work", "home", "work", "work"], gender=["man", "woman", UNKNOWN, "man"])
    of_work = replace(measurement(), only=("scene", "work"))
    assert list(predict(of_work, RECORD, IMAGES, TEXTS, people).attributes.index) == ["a", "d"]
    assert list(predict(replace(of_work, truth=None), RECORD, IMAGES, TEXTS, people).attributes.index) == ["a", "c", "d"]


def test_a_truth_that_no_label_can_answer_and_one_answer_only_are_errors():
    with pytest.raises(DataError, match="'nobody'"):
        predict(measurement(), RECORD, IMAGES, TEXTS, PEOPLE.assign(gender=["man", "nobody", "woman", "man"]))
    with pytest.raises(UsageError, match="fewer than two"):
        predict(measurement(LabelSet("single", ("man", "woman"), GENDER.prompts, dict.fromkeys(("man", "woman"), "person")), None),
                RECORD, IMAGES, TEXTS, PEOPLE)  # fmt: skip


@pytest.mark.parametrize("bad", [0.0, np.nan, np.inf])
def test_an_embedding_without_direction_is_an_error(bad):
    images = IMAGES.copy()
    images[2] = bad
    with pytest.raises(DataError, match="the first is number 2"):
        cosine_scores(images, np.eye(2))
    with pytest.raises(DataError, match="text"):
        cosine_scores(IMAGES, np.array([[bad, bad]]))


def test_an_ensemble_weighs_directions_not_lengths_and_opposite_prompts_have_no_mean():
    np.testing.assert_allclose(ensemble(np.array([[100.0, 0.0], [0.0, 0.01]])), [0.5**0.5, 0.5**0.5])
    with pytest.raises(DataError, match="mean text"):
        ensemble(np.array([[1.0, 0.0], [-1.0, 0.0]]))


def test_cosines_do_not_depend_on_how_many_images_are_asked_at_once():
    """More images than one chunk holds: the same as one by one."""
    images = np.random.default_rng(0).normal(size=(8192 + 5, 4)).astype(np.float32)
    texts = np.eye(4)[:2]
    np.testing.assert_allclose(cosine_scores(images, texts)[-6:], cosine_scores(images[-6:], texts), atol=1e-15)


def test_neither_the_length_of_an_embedding_nor_the_order_of_images_nor_naming_every_prompt_twice_matters():
    label_set, texts, images, nobody = random_case()
    plain = predict(measurement(label_set, None), RECORD, images, texts, nobody)
    longer = predict(measurement(label_set, None), RECORD, 7 * images, {prompt: 0.3 * text for prompt, text in texts.items()}, nobody)
    np.testing.assert_allclose(longer.scores, plain.scores, rtol=1e-5)
    np.testing.assert_array_equal(longer.y_pred, plain.y_pred)
    order = np.random.default_rng(1).permutation(len(images))
    shuffled = predict(measurement(label_set, None), RECORD, images[order], texts, nobody.iloc[order])
    np.testing.assert_allclose(shuffled.scores, plain.scores[order], rtol=1e-6)
    np.testing.assert_array_equal(shuffled.y_pred, plain.y_pred[order])
    assert list(shuffled.attributes.index) == [str(i) for i in order]
    twice = replace(label_set, prompts={label: prompts * 2 for label, prompts in label_set.prompts.items()})
    doubled = predict(measurement(twice, None), RECORD, images, texts, nobody)
    np.testing.assert_allclose(doubled.scores, plain.scores, rtol=1e-6)


@pytest.mark.slow
@given(seed=st.integers(0, 10_000), rule=st.sampled_from(["softmax", "sigmoid"]), scale=st.floats(0.1, 100))
def test_another_label_never_raises_the_score_of_the_others(seed, rule, scale):
    label_set, texts, images, nobody = random_case(seed, images=5)
    record = replace(SIGMOID, score_rule=rule, logit_scale=scale)
    fewer = replace(label_set, labels=label_set.labels[:-1])
    all_scores = predict(measurement(label_set, None), record, images, texts, nobody).scores
    fewer_scores = predict(measurement(fewer, None), record, images, texts, nobody).scores
    assert (all_scores[:, :-1] <= fewer_scores + 1e-6).all()


@pytest.mark.slow
@given(seed=st.integers(0, 10_000), rule=st.sampled_from(["softmax", "sigmoid"]), combine=st.sampled_from(["argmax", "sum"]))
def test_margins_are_never_negative_and_softmax_rows_sum_to_one(seed, rule, combine):
    label_set, texts, images, nobody = random_case(seed, images=5)
    shared = replace(label_set, combine=combine, answers=dict.fromkeys(label_set.labels[:3], "shared"))
    found = predict(measurement(shared, None), replace(SIGMOID, score_rule=rule), images, texts, nobody)
    assert (found.margin >= 0).all()
    assert set(found.y_pred) <= set(found.answers)
    if rule == "softmax":
        np.testing.assert_allclose(found.scores.sum(axis=1), 1, rtol=1e-5)
