"""Which questions of a probe an image classifier can answer, and what its labels mean in them."""

import re
from dataclasses import replace

import pytest

from audit.analyses.plans import RankingPlan
from audit.errors import DataError, UsageError
from audit.measure.classified.questions import MappedLabel, classified_probe, read_label_map
from audit.types import Claim, LabelSet, Measurement, PairedClaim
from probes.faces.moderation import PROBE as MODERATION
from tests.support.notes import sentences

FRUIT = {"apple": ("an apple",), "pear": ("a pear",), "nut": ("a nut",)}
NAMED = LabelSet("fruit", tuple(FRUIT), FRUIT)
TRUE = Measurement("fruit", "Which fruit?", NAMED, "v1", (Claim("accuracy", ("region",)),), truth="fruit")
GIVEN = Measurement(
    "juicy", "Which fruit?", NAMED, "v1", (Claim("selection_rate", ("region",), "juicy"), Claim("selection_rate", ("region",), "hard")),
    outcomes={"juicy": ("apple", "pear"), "hard": ("nut",)},
)  # fmt: skip


def probe(*measurements, **more):
    return replace(
        MODERATION, name="fruit", measurements=measurements, analyses=(), data=None, limits=("Prompts matter.", "Light matters."), **more
    )


def mapped(*rows):
    return tuple(MappedLabel(*row) for row in rows)


def test_labels_of_equal_names_need_no_table():
    fitted = classified_probe(probe(TRUE), ("nut", "apple", "pear"))
    (measurement,) = fitted.probe.measurements
    assert measurement.label_set.labels == ("apple", "pear", "nut"), "the order of the probe, as ties go to the first"
    assert measurement.label_set.answers == {}
    assert (fitted.notes, fitted.answers["fruit"]) == ((), ("apple", "pear", "nut"))
    assert fitted.probe.limits == ("Light matters.",), "a classifier reads no prompts"


def test_several_labels_may_mean_one_answer_and_others_are_left_out():
    rows = mapped(("granny smith", "apple"), ("fuji", "apple"), ("conference", "pear"), ("walnut", "nut"))
    fitted = classified_probe(probe(TRUE), ("fuji", "car", "walnut", "granny smith", "conference"), rows)
    labels = fitted.probe.measurements[0].label_set
    assert labels.labels == ("fuji", "granny smith", "conference", "walnut")
    assert labels.answers == {"fuji": "apple", "granny smith": "apple", "conference": "pear", "walnut": "nut"}
    assert "1 of 5 labels mean none of its answers (car)" in sentences(fitted.notes)[0]


def test_a_label_that_means_something_else_competes_if_the_table_says_other():
    fitted = classified_probe(probe(TRUE), ("apple", "pear", "nut", "car"), mapped(("car", "other")))
    assert fitted.answers["fruit"] == ("apple", "pear", "nut", "other")
    assert fitted.probe.measurements[0].label_set.labels[-1] == "car"


def test_an_answer_without_a_label_is_refused_with_near_matches():
    with pytest.raises(UsageError, match="means 'nut' in 'fruit'") as caught:
        classified_probe(probe(TRUE), ("apple", "pear", "Nuts", "car"))
    assert caught.value.why == "labels without an answer: Nuts, car; 'Nuts' may mean 'nut'"
    assert "--label-map FILE" in caught.value.fix


def test_an_answer_is_declared_to_have_no_label():
    fitted = classified_probe(probe(TRUE), ("apple", "pear"), mapped(("", "nut")))
    assert fitted.answers["fruit"] == ("apple", "pear", "nut")
    assert fitted.probe.measurements[0].label_set.labels == ("apple", "pear")
    assert "images for which they are right count as wrong" in sentences(fitted.notes)[0]


def test_a_label_whose_answer_is_empty_is_left_out():
    fitted = classified_probe(probe(TRUE), ("apple", "pear", "nut", "apricot"), mapped(("apricot", "")))
    assert fitted.answers["fruit"] == ("apple", "pear", "nut")
    assert fitted.probe.measurements[0].label_set.labels == ("apple", "pear", "nut")
    assert "1 of 4 labels mean none of its answers (apricot)" in sentences(fitted.notes)[0]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (("aple", "apple"), "the classifier has no label 'aple'"),
        (("apple", "aple"), "the probe 'fruit' has no answer 'aple'"),
        (("apple", "apple", "fruits"), "has no measurement 'fruits'"),
    ],
)
def test_unknown_names_in_the_table_are_refused_with_the_nearest(row, message):
    with pytest.raises(UsageError, match=message) as caught:
        classified_probe(probe(TRUE), ("apple", "pear", "nut"), mapped(row))
    assert "did you mean" in caught.value.fix


def test_a_label_with_two_meanings_in_one_question_is_refused():
    with pytest.raises(UsageError, match="the label 'apple' means 'pear' and 'nut' in 'fruit'"):
        classified_probe(probe(TRUE), ("apple", "pear", "nut"), mapped(("apple", "pear"), ("apple", "nut")))


def test_a_row_about_one_measurement_leaves_the_others_alone():
    rows = mapped(("round", "apple", "fruit"), ("long", "pear", "fruit"), ("small", "nut", "fruit"), ("round", "juicy", "juicy"),
                  ("small", "hard", "juicy"))  # fmt: skip
    fitted = classified_probe(probe(TRUE, GIVEN), ("round", "long", "small"), rows)
    true, given = fitted.probe.measurements
    assert true.label_set.answers == {"round": "apple", "long": "pear", "small": "nut"}
    assert given.label_set.answers == {"round": "juicy", "small": "nut"}, "hard has one answer"
    assert given.outcomes == {"juicy": ("juicy",), "hard": ("nut",)}


def test_labels_may_mean_an_outcome_and_outcomes_that_contain_it_count_it():
    rows = mapped(("nsfw", "nudity"), ("sfw", "a portrait"))
    fitted = classified_probe(MODERATION, ("nsfw", "sfw"), rows)
    (content,) = fitted.probe.measurements
    assert content.outcomes == {"unsafe": ("nudity",), "nudity": ("nudity",)}
    assert {claim.outcome for claim in content.claims} == {"unsafe"}, "nudity would be the same question"
    assert [claim.by for claim in content.claims if claim.primary] == [("race",), ("gender",), ("age",)]
    assert "violence" in " ".join(sentences(fitted.notes))


def test_an_outcome_that_every_label_means_is_no_question():
    with pytest.raises(UsageError, match="all labels of this classifier mean one answer"):
        classified_probe(probe(GIVEN), ("apple", "pear"), mapped(("apple", "juicy"), ("pear", "juicy")))


def test_a_question_that_other_prompts_ask_again_is_asked_once():
    again = replace(TRUE, name="again", label_set=replace(NAMED, name="other prompts"))
    more = replace(again, name="more", claims=(*TRUE.claims, Claim("accuracy", ("age",), primary=False)))
    explored = replace(again, name="first", claims=tuple(replace(claim, primary=False) for claim in TRUE.claims))
    assert [own.name for own in classified_probe(probe(explored, TRUE), ("apple", "pear", "nut")).probe.measurements] == ["fruit"]
    fitted = classified_probe(probe(TRUE, again, more), ("apple", "pear", "nut"))
    assert [(own.name, [claim.by for claim in own.claims]) for own in fitted.probe.measurements] == [
        ("fruit", [("region",)]), ("more", [("age",)]),
    ]  # fmt: skip
    assert "'again' was left out: it asks an earlier question again" in sentences(fitted.notes)[0]


def test_pairs_and_rankings_stay_with_their_questions():
    pairs = tuple(PairedClaim(name, "tone", "a", "b", ("role",), "role", outcome) for name, outcome in
                  (("fruit", None), ("juicy", "juicy"), ("gone", None)))  # fmt: skip
    made = probe(TRUE, GIVEN, paired=pairs)
    made = replace(made, analyses=(RankingPlan("Whose?", {"apple": ("a",)}, ("region",), "v1"),))
    fitted = classified_probe(made, ("apple", "pear", "nut")).probe
    assert [pair.measurement for pair in fitted.paired] == ["fruit", "juicy"]
    assert (len(fitted.analyses), fitted.specifications, fitted.what_ifs) == (1, (), ())


def test_labels_that_fit_nothing_are_refused_with_both_sides():
    with pytest.raises(UsageError, match="no label of this classifier means an answer of the probe 'fruit'") as caught:
        classified_probe(probe(TRUE), ("Apples", "car"))
    assert re.search(r"its labels are Apples, car; answers and outcomes are apple, pear, nut; 'Apples' may mean 'apple'", caught.value.why)


def test_the_error_of_thousands_of_labels_stays_short():
    labels = tuple(f"class {number}" for number in range(20_000))
    with pytest.raises(UsageError) as caught:
        classified_probe(probe(TRUE), labels)
    assert len(str(caught.value)) < 1000
    with pytest.raises(UsageError, match="no label 'clas 7'") as caught:
        classified_probe(probe(TRUE), labels, mapped(("clas 7", "apple")))
    assert len(str(caught.value)) < 1000


# ---- the table -------------------------------------------------------------------------------------------------------------------------


def test_a_table_is_read_as_csv_toml_or_mapping(tmp_path):
    (tmp_path / "map.csv").write_text("Answer,Label\nMale,man\nFemale, woman \n,cat\n")
    (tmp_path / "map.toml").write_text('man = "Male"\nyoung = ["20-29", "Female"]\n[race]\nman = "White"\n')
    assert read_label_map(tmp_path / "map.csv") == mapped(("man", "Male"), ("woman", "Female"), ("cat", ""))
    assert read_label_map(tmp_path / "map.toml") == mapped(
        ("man", "Male"), ("young", "20-29"), ("young", "Female"), ("man", "White", "race")
    )
    assert read_label_map({"man": "Male"}) == mapped(("man", "Male"))
    assert read_label_map(None) == ()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "label,means\nman,Male\n", "no column 'answer'"),
        ("a.csv", "label,answer\n", "maps no label"),
        ("a.csv", "label,answer\nman,Male\nman,Male\n", "has a row twice"),
        ("a.toml", "man = \n", "cannot read"),
        ("a.toml", "man = 3\n", "a value of type int"),
        ("a.png", "", "is not a table"),
    ],
)
def test_a_table_that_says_something_else_is_refused(tmp_path, name, content, message):
    (tmp_path / name).write_text(content)
    with pytest.raises((DataError, UsageError), match=message):
        read_label_map(tmp_path / name)
