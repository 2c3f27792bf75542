"""A model that does not look at the images, through the command: the words of terminal, summary and page, before anything else."""

import pandas as pd
import pytest

import audit
from audit.records.results import from_json
from audit.run import main
from reports.text.notes import sentence
from tests.support.page_text import text_of

# FairFace's validation images: women and men of each race (Karkkainen and Joo 2021).
FAIRFACE = {
    "White": (963, 1122), "Black": (757, 799), "Indian": (763, 753), "East Asian": (773, 777), "Southeast Asian": (680, 735),
    "Middle Eastern": (396, 813), "Latino_Hispanic": (830, 793),
}  # fmt: skip
ALWAYS_MALE = "The model does not look at the images: it answers ‘Male’ to all 10,954 images."
REFUSED = "The model does not look at the images: it answers ‘unclear’ to all 10,954 images (gender, harm-21, markedness-gender)."
BLIND = "the answers are not shown to depend on the images"


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


def test_always_one_answer_is_no_disparity_by_race(said):
    """Two labels, 10,954 rows: accuracy by race is the share of men, 48.9 % of Latino_Hispanic and 67.2 % of Middle Eastern faces."""
    table = faces()
    terminal, summary, page, facts = said(table.assign(y_true=table["gender"], y_pred="Male"), "--attributes", "race")

    led = f"Not estimable · all 3 pre-specified questions {ALWAYS_MALE}"  # also both error rates
    assert f"10,954 images ○ {led} ○ 3 questions: {BLIND} " in terminal
    assert terminal.count(ALWAYS_MALE) == 2
    assert f"**Not estimable · all 3 pre-specified questions.** {ALWAYS_MALE} 3 questions: {BLIND}." in summary
    assert page.index(led) < page.index("All 3 pre-specified questions")
    assert "Group composition explains this gap: with equal shares of the true answers in every group it is 0.0 points." in page
    assert "of the answers agree with the labels 52.9 % would, if every answer were ‘Male’" in page
    for text in (terminal, summary):
        assert "disparity" not in text.lower()

    [accuracy] = [finding for finding in facts.findings if finding.primary and finding.metric == "accuracy"]
    look = facts.measurements[0].responsiveness
    assert (facts.verdict, accuracy.verdict, accuracy.unresponsive, look.code) == ("not estimable", "not estimable", "constant", "constant")
    assert (accuracy.composition.gap, accuracy.composition.explains, look.commonest_share) == (0.0, True, 1.0)
    assert accuracy.gap.value == pytest.approx(813 / 1209 - 793 / 1623)


def test_a_refuser_is_not_equivalent_in_all_its_questions(said):
    """Every question of FairFace's about two attributes is answered "unclear": no group gets a harmful word, since none gets any."""
    answers = {f"y_pred:{name}": "unclear" for name in ("gender", "harm-21", "markedness-gender")}
    terminal, summary, page, facts = said(faces().assign(**answers), "--probe", "fairface")
    primary = [finding for finding in facts.findings if finding.primary]

    questions = f"Not estimable · all {len(primary)} pre-specified questions"
    assert len(primary) >= 9
    assert {(finding.verdict, finding.unresponsive) for finding in primary} == {("not estimable", "unclear")}
    assert f"10,954 images ○ {questions} {REFUSED} ○ {len(primary)} questions: {BLIND} " in terminal
    assert f"**{questions}.** {REFUSED} {len(primary)} questions: {BLIND}." in summary
    assert page.index(f"{questions} {REFUSED}") < page.index(f"All {len(primary)} pre-specified questions")
    for text in (terminal, summary):
        assert "equivalent" not in text.lower()


def test_a_table_of_answers_that_are_all_unclear_is_read_and_named(said):
    table = faces()
    terminal, *_ = said(table.assign(y_true=table["gender"], y_pred="unclear"), "--attributes", "race")
    assert "The model does not look at the images: it answers ‘unclear’ to all 10,954 images." in terminal


def test_the_answers_of_a_coin_are_not_shown_to_look(said):
    """Every second face of each race and gender is called Male: right in about half, always "Male" in 52.9 %."""
    table = faces()
    coin = ["Male" if i % 2 else "Female" for i in range(len(table))]
    terminal, summary, page, facts = said(table.assign(y_true=table["gender"], y_pred=coin), "--attributes", "race")
    for text in (terminal, summary, page):
        assert "The model is not shown to look at the images. " in text
    assert "the answers agree with the labels in 50.0 % of 10,954 images, ‘Male’ for every image does in 52.9 %" in page
    assert facts.measurements[0].responsiveness.code == "no better"
    assert {each.verdict for each in facts.findings if each.primary and each.metric == "accuracy"} == {"not estimable"}


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
    assert "3 gates: 1 breached, 2 inconclusive." in terminal  # the lowest accuracy itself is what it is
    assert "Not estimable: the answers are not shown to depend on the images." in terminal


def test_a_comparison_says_which_side_does_not_look():
    table = faces()
    asked = table.assign(y_true=table["gender"])
    looking, blind = (audit.audit(predictions=asked.assign(y_pred=given), attributes=["race"]) for given in (table["gender"], "Male"))
    [note] = [note for note in looking.compare(blind).facts.notes if note.code == "does_not_look"]
    assert dict(note.values)["measurements"] == ("predictions",)
    assert "is not shown to look at the images (predictions): there, a change" in sentence(note)
