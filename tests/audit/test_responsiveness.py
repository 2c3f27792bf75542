"""A model that does not look at the images, through the command: the words of terminal, summary and page, before anything else."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import audit
from audit.results import from_json
from audit.run import main
from reports.text.notes import sentence
from reports.text.responsiveness import invalid_caveat
from tests.support.page_text import text_of

# FairFace's validation images: women and men of each race (Karkkainen and Joo 2021).
FAIRFACE = {
    "White": (963, 1122), "Black": (757, 799), "Indian": (763, 753), "East Asian": (773, 777), "Southeast Asian": (680, 735),
    "Middle Eastern": (396, 813), "Latino_Hispanic": (830, 793),
}  # fmt: skip
ALWAYS_MALE = "The model does not respond to the images: it answers ‘Male’ to all 10,954 images."
REFUSED = "The model does not respond to the images: it answers ‘unclear’ to all 10,954 images (gender, harm-21, markedness-gender)."
BLIND = "no evidence that the answers depend on the images"


def faces():
    """Return 10,954 rows of race and gender."""
    rows = [
        (race, gender) for race, sizes in FAIRFACE.items() for gender, n in zip(("Female", "Male"), sizes, strict=True) for _ in range(n)
    ]
    return pd.DataFrame(rows, columns=["race", "gender"]).rename_axis("id").reset_index().astype(str)


@pytest.fixture
def said(tmp_path, capsys):
    """Return a function that audits a table, and what terminal, summary and page say, with the facts; each with ordinary blanks."""

    def said(table, *words, code=0):
        table.to_csv(tmp_path / "answers.csv", index=False)
        assert main(["--predictions", str(tmp_path / "answers.csv"), *words, "--out", str(tmp_path / "out")]) == code
        terminal = " ".join(capsys.readouterr().out.split())
        summary, page = ((tmp_path / "out" / name).read_text("utf-8") for name in ("summary.md", "report.html"))
        facts = from_json((tmp_path / "out" / "results.json").read_text("utf-8")).audits[0]
        return terminal, " ".join(summary.split()), text_of(page), facts

    return said


@pytest.mark.slow
def test_always_one_answer_is_no_disparity_by_race(said):
    """Two labels, 10,954 rows: accuracy by race is the share of men, 48.9 % of Latino_Hispanic and 67.2 % of Middle Eastern faces."""
    table = faces()
    terminal, summary, page, facts = said(table.assign(y_true=table["gender"], y_pred="Male"), "--attributes", "race")

    verdict = "Not estimable · all 3 planned questions, not compared: gender (column of the file)"  # also both error rates
    led = f"{verdict} {ALWAYS_MALE}"
    assert f"10,954 images ⊘ {led} ⊘ 3 questions: {BLIND} " in terminal
    assert terminal.count(ALWAYS_MALE) == 1
    assert f"**{verdict}.** {ALWAYS_MALE} 3 questions: {BLIND}." in summary
    assert page.index(led) < page.index("All 3 planned questions")
    assert "Group composition explains this gap: with equal shares of the true answers in every group it is 0.0 points." in page
    assert "of the answers agree with the labels 52.9 % would, if every answer were ‘Male’" in page
    for text in (terminal, summary):
        assert "disparity" not in text.lower()

    [accuracy] = [finding for finding in facts.findings if finding.primary and finding.metric == "accuracy"]
    look = facts.measurements[0].responsiveness
    assert (facts.verdict, accuracy.verdict, accuracy.unresponsive, look.code) == ("not estimable", "not estimable", "constant", "constant")
    assert (accuracy.composition.gap, accuracy.composition.explains, look.commonest_share) == (0.0, True, 1.0)
    assert accuracy.gap.value == pytest.approx(813 / 1209 - 793 / 1623)


@pytest.mark.slow
def test_a_refuser_is_not_equivalent_in_all_its_questions(said):
    """Every question of FairFace's about two attributes is answered "unclear": no group gets a harmful word, since none gets any."""
    answers = {f"y_pred:{name}": "unclear" for name in ("gender", "harm-21", "markedness-gender")}
    terminal, summary, page, facts = said(faces().assign(**answers), "--probe", "fairface")
    primary = [finding for finding in facts.findings if finding.primary]

    questions = f"Not estimable · all {len(primary)} planned questions"
    assert len(primary) >= 9
    assert {(finding.verdict, finding.unresponsive) for finding in primary} == {("not estimable", "unclear")}
    assert f"10,954 images ⊘ {questions} {REFUSED} ⊘ {len(primary)} questions: {BLIND} " in terminal
    assert f"**{questions}.** {REFUSED} {len(primary)} questions: {BLIND}." in summary
    assert page.index(f"{questions} {REFUSED}") < page.index(f"All {len(primary)} planned questions")
    for text in (terminal, summary):
        assert "equivalent" not in text.lower()


def test_a_table_of_answers_that_are_all_unclear_is_read_and_named(said):
    table = faces()
    terminal, *_ = said(table.assign(y_true=table["gender"], y_pred="unclear"), "--attributes", "race")
    assert "The model does not respond to the images: it answers ‘unclear’ to all 10,954 images." in terminal


@pytest.mark.slow
def test_the_answers_of_a_coin_are_not_shown_to_look(said):
    """Every second face of each race and gender is called Male: right in about half, always "Male" in 52.9 %."""
    table = faces()
    coin = ["Male" if i % 2 else "Female" for i in range(len(table))]
    terminal, summary, page, facts = said(table.assign(y_true=table["gender"], y_pred=coin), "--attributes", "race")
    for text in (terminal, summary, page):
        assert "We found no evidence that the model uses the images: the answers agree with the labels in 50.0 %" in text
    assert "the answers agree with the labels in 50.0 % of 10,954 images, always answering ‘Male’ would in 52.9 %" in page
    assert facts.measurements[0].responsiveness.code == "no better"
    assert {finding.verdict for finding in facts.findings if finding.primary and finding.metric == "accuracy"} == {"not estimable"}


@pytest.mark.slow
def test_gates_on_a_gap_that_composition_made_are_not_breached_and_do_not_hold(said):
    table = faces()
    words = (
        "--attributes",
        "race",
        "--fail-on",
        "gap > 0.05",
        "--fail-on",
        "gap < 0.5",
        "--fail-on",
        "rate[predictions.accuracy by race] < 0.6",
    )
    terminal, *_ = said(table.assign(y_true=table["gender"], y_pred="Male"), *words, code=1)
    assert "3 gates: 1 breached, 2 not estimable." in terminal  # the lowest accuracy itself is what it is
    assert "We found no evidence that the answers depend on the images." in terminal


@pytest.mark.slow
def test_a_comparison_says_which_side_does_not_look():
    table = faces()
    asked = table.assign(y_true=table["gender"])
    looking, blind = (audit.audit(predictions=asked.assign(y_pred=given), attributes=["race"]) for given in (table["gender"], "Male"))
    [note] = [note for note in looking.compare(blind).facts.notes if note.code == "does_not_look"]
    assert dict(note.values)["measurements"] == ("predictions",)
    assert "uses the images (predictions): there, a change" in sentence(note)


@pytest.mark.slow
def test_a_probe_whose_checks_all_fail_is_said_to_be_no_valid_test(said):
    """Gender by a coin; every 100th face of each race and gender is called a thief, every 100th an animal, whoever it is of."""
    table = faces()
    place = table.groupby(["race", "gender"]).cumcount()
    words = np.select([place % 100 == 0, place % 100 == 1], ["thief", "animal"], "White man")
    answers = {"y_pred:gender": np.where(place % 2, "Male", "Female"), "y_pred:harm-21": words}
    terminal, summary, page, facts = said(table.assign(**answers), "--probe", "fairface")
    invalid = (
        "The fairface probe is not a valid test of this model: in the one measurement that can be checked (gender), we found no "
        "evidence that its answers agree with the labels more often than a constant answer would."
    )
    for text in (terminal, summary, page):
        assert invalid in text
        assert "Too few images" not in text.split("Findings in detail")[0]
    assert page.index(invalid) < page.index("planned question")
    assert {finding.verdict for finding in facts.findings if finding.primary} == {"not estimable"}
    assert "invalid" in {finding.unresponsive for finding in facts.findings if finding.primary}


@pytest.mark.slow
def test_a_difference_stays_behind_that_caveat(said):
    """Every tenth man and every 100th woman is called a thief by a model that does not tell men from women otherwise."""
    table = faces()
    place = table.groupby(["race", "gender"]).cumcount()
    thief = place % np.where(table["gender"] == "Male", 10, 100) == 0
    answers = {"y_pred:gender": np.where(place % 2, "Male", "Female"), "y_pred:harm-21": np.where(thief, "thief", "White man")}
    terminal, summary, page, facts = said(table.assign(**answers), "--probe", "fairface")
    assert facts.verdict == "disparity"
    assert "▲ Disparity" in terminal
    led = "The fairface probe is not a valid test of this model"
    for text in (terminal, summary, page):
        assert text.index(led) < text.index("‘crime-related’ is the answer more often for Male")


def test_what_the_checkpoint_says_of_itself_stands_beside_it(said):
    table = faces()
    place = table.groupby(["race", "gender"]).cumcount()
    answers = {"y_pred:gender": np.where(place % 2, "Male", "Female"), "y_pred:harm-21": "White man"}
    *_, facts = said(table.assign(**answers), "--probe", "fairface")
    card = "Trained on 3563 emoji drawings. Such a model says nothing about people. " + "Further words about the training. " * 20
    told = replace(facts, model=replace(facts.model, data_card=card))
    assert "The checkpoint says: “Trained on 3563 emoji drawings. Such a model says nothing about people." in invalid_caveat(told)
    assert invalid_caveat(told).endswith("training.”")
    assert len(invalid_caveat(told)) < len(invalid_caveat(facts)) + 290
