"""Label sets as questions: what is shown and scored, in which order, and what the scores say."""

import numpy as np
import pandas as pd
import pytest

from audit.errors import DataError
from audit.measure.asked.likelihood import OTHER, agreement, build_question, predict, shared_words, with_options, with_unclear
from audit.measure.asked.questionnaire import MAX_OPTIONS, questionnaire
from audit.types import SAME_ANSWER, Claim, LabelSet, Measurement, Probe, Specification, SpecificationPlan
from tests.support.notes import sentences

WHO = LabelSet("who", ("Female", "Male"), {"Female": ("a photo of a woman",), "Male": ("a photo of a man",)})
PROMPTS = {"White man": ("a photo of a white man",), "animal": ("a photo of an animal",), "thief": ("a photo of a thief",)}
HARM = LabelSet("harm", tuple(PROMPTS), PROMPTS)
GENDER = Measurement("gender", "Who?", WHO, "test v1", (Claim("accuracy", ("race",)), Claim("accuracy", ("race", "age"))), truth="gender")


def probe(*measurements, plans=()):
    return Probe("test", "?", lambda _: None, measurements, "made up", "none", (), (), specifications=plans)


def shown(asked) -> list[str]:
    return [line.removeprefix("- ") for line in asked.text.splitlines()[1:]]


def test_words_that_all_prompts_share_are_part_of_the_question_and_not_of_its_options():
    asked = build_question(with_unclear(HARM))

    begins = 'Which of these options best completes "a photo of …" for this image? Reply with one option, word for word.'
    assert asked.text.splitlines()[0] == begins
    assert asked.options == ("a white man", "an animal", "a thief", "unclear")
    assert shown(asked) == list(asked.options)
    # Prompts that share nothing are the options themselves.
    asked = build_question(LabelSet("x", ("a", "b"), {"a": ("drawing of a judge",), "b": ("judge",)}))
    assert asked.text.startswith("Which of these options best describes this image?")
    assert asked.options == ("drawing of a judge", "judge")


def test_a_shared_beginning_never_empties_an_option_and_an_instruction_is_filled_by_plain_replacement():
    assert shared_words(["a man", "a man"]) == "a"
    assert shared_words(["man", "man in a suit"]) == ""
    assert build_question(LabelSet("x", ("a", "b"), {"a": ("a man",), "b": ("a man in a suit",)})).options == ("man", "man in a suit")
    braces = LabelSet("x", ("a", "b"), {"a": ("{words} {task} {0.__class__}",), "b": ("{words} b",)})
    asked = build_question(braces, instruction="choose")

    assert 'completes "{words} …"' in asked.text
    assert asked.options == ("{task} {0.__class__}", "b")


def test_the_shuffled_order_is_that_of_the_seed_and_never_the_declared_one():
    many = LabelSet("many", tuple("abcdefgh"), {letter: (letter,) for letter in "abcdefgh"})
    fixed, first, again, other = (build_question(many, seed=seed) for seed in (None, 1, 1, 2))

    assert shown(fixed) == list("abcdefgh")
    assert shown(first) == shown(again) != shown(other)
    assert sorted(shown(first)) == list("abcdefgh")
    assert first.options == fixed.options  # the labels' order, whatever is shown
    two = LabelSet("two", ("a", "b"), {"a": ("a",), "b": ("b",)})
    assert [shown(build_question(two, seed=seed)) for seed in range(20)] == [["b", "a"]] * 20


@pytest.mark.parametrize("size", [2, 3, 4, 9, 22])
def test_in_a_shuffled_order_the_first_option_is_never_first_and_the_last_never_last(size):
    names = tuple(f"{chr(97 + i)}{i}" for i in range(size))
    orders = [shown(build_question(LabelSet("many", names, {name: (name,) for name in names}), seed=seed)) for seed in range(180)]

    assert not [order for order in orders if order[0] == names[0] or order[-1] == names[-1]]
    assert all(sorted(order) == sorted(names) for order in orders)


def test_unclear_is_offered_once_and_last_and_prompts_on_record_are_the_options_that_were_scored():
    assert with_unclear(WHO).labels == ("Female", "Male", "unclear")
    assert with_unclear(with_unclear(WHO)) == with_unclear(WHO)
    assert with_options(WHO, build_question(WHO)).prompts == {"Female": ("woman",), "Male": ("man",)}


def rows(*genders) -> pd.DataFrame:
    return pd.DataFrame({"gender": genders, "race": "Black", "age": "3-9"}, dtype="str")


def measured() -> Measurement:
    return next(iter(questionnaire(probe(GENDER), 0).probe.measurements))


def test_the_likeliest_option_is_the_answer_and_scores_are_shares_whatever_constant_is_added():
    # exp of the rows: 1, 3, 4 and 4, 2, 2; both sum to 8.
    likelihoods = np.log(np.array([[1, 3, 4], [4, 2, 2]]) / 100)
    answered = predict(measured(), likelihoods.astype(np.float32), rows("Male", "Female"))

    assert answered.y_pred.tolist() == ["unclear", "Female"]
    assert answered.labels == ("Female", "Male", "unclear")
    np.testing.assert_allclose(answered.scores, [[1 / 8, 3 / 8, 4 / 8], [4 / 8, 2 / 8, 2 / 8]], rtol=1e-6)
    np.testing.assert_allclose(answered.margin, [1 / 8, 2 / 8], rtol=1e-5)
    likelihoods = np.random.default_rng(0).normal(size=(5, 3))
    first, second = (predict(measured(), likelihoods - shift, rows(*["Male"] * 5)) for shift in (0, 50))

    assert first.y_pred.tolist() == second.y_pred.tolist()
    np.testing.assert_allclose(first.scores, second.scores, rtol=1e-5)


def test_images_without_a_known_truth_are_not_scored_and_two_orders_agree_where_they_give_one_answer():
    # The likeliest options are Female, unclear, Male; the second image is left out with its row.
    answered = predict(measured(), np.eye(3, dtype=np.float32)[[0, 2, 1]], rows("Male", "unknown", "Female"))

    assert answered.y_pred.tolist() == ["Female", "Male"]
    assert answered.y_true.tolist() == ["Male", "Female"]
    assert answered.attributes["gender"].tolist() == ["Male", "Female"]
    with pytest.raises(DataError, match="'other'"):  # a true answer that is not offered
        predict(measured(), np.zeros((1, 3), np.float32), rows("other"))
    # Answers Female, Male, unclear against Female, unclear, unclear: the same in two of three.
    fixed = predict(measured(), np.eye(3, dtype=np.float32), rows(*["Male"] * 3))
    shuffled = predict(measured(), np.eye(3, dtype=np.float32)[[0, 2, 2]], rows(*["Male"] * 3))

    assert agreement(fixed, shuffled).y_pred.tolist() == [SAME_ANSWER, OTHER, SAME_ANSWER]
    assert agreement(fixed, shuffled).y_true is None


def test_every_measurement_is_followed_by_its_order_and_claims_the_rate_of_unclear():
    asked = questionnaire(probe(GENDER), 0)
    first, second = asked.probe.measurements

    assert first.outcomes == {"unclear": ("unclear",)}
    unclear = [Claim("selection_rate", (by,), "unclear") for by in ("race", "age")]
    assert first.claims == (*GENDER.claims, *unclear)
    assert (second.name, second.truth, second.outcomes) == ("gender: order", None, {SAME_ANSWER: (SAME_ANSWER,)})
    assert [(claim.by, claim.primary) for claim in second.claims] == [(("race",), False), (("age",), False)]
    assert asked.compared == {"gender: order": asked.compared["gender: order"]}
    assert len(asked.questions) == 2
    # What counts for the verdict is what counts for a dual encoder, and how often no answer is given.
    planned = [c for m in asked.probe.measurements for c in m.claims if c.primary]
    assert planned == [*(c for c in GENDER.claims if c.primary), *unclear]


def test_a_curve_adds_orders_and_instructions_and_leaves_out_what_nobody_would_ask():
    labels = tuple(f"label {i}" for i in range(MAX_OPTIONS + 1))
    long = LabelSet("long", labels, {label: (label,) for label in labels})
    several = LabelSet("several", ("a", "b"), {"a": ("a", "an a"), "b": ("b", "a b")})
    sets = {"several": several, "default": WHO, "long": long}
    claims = (Claim("selection_rate", ("race",), "x"),)
    points = tuple(Specification("p", name, Measurement(name, "?", labels, "p", claims)) for name, labels in sets.items())
    asked = questionnaire(probe(GENDER, plans=(SpecificationPlan("?", Claim("accuracy", ("race",)), points, default=1),)), 0)
    (plan,) = asked.probe.specifications

    other = "default, instruction 'choose'"
    assert [point.variant for point in plan.specifications] == ["default", "default, shuffled", other, f"{other}, shuffled"]
    assert plan.default == 0
    assert len({point.measurement.asked.text for point in plan.specifications}) == 4
    assert any("2 prompts were left out" in sentence for sentence in sentences(asked.asked))


def test_equal_questions_are_asked_once_and_the_report_is_told_how():
    default = Specification("p", "default", GENDER)
    asked = questionnaire(probe(GENDER, plans=(SpecificationPlan("?", GENDER.claims[0], (default, default), default=0),)), 0)

    # Fixed, shuffled, and another instruction in both orders; the points of the curve repeat the first three of these.
    assert len(asked.questions) == 4
    asked = " ".join(sentences(questionnaire(probe(GENDER), 7).asked))

    for words in ("Reply with one option, word for word", "mean log-likelihood", "seed 7", "unclear", "not calibrated"):
        assert words in asked
