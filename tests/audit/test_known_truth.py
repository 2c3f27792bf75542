"""Shares whose truth is known, through the command: what a page says of the mix of the data, and of a model that is always right."""

import numpy as np
import pandas as pd
import pytest

from audit.results import from_json
from audit.run import main
from tests.support.commands import TABLES
from tests.support.page_text import text_of

# FairFace's validation images: women and men of each race (Karkkainen and Joo 2021).
MIX = {"White": (963, 1122), "Black": (757, 799), "Indian": (763, 753), "East Asian": (773, 777), "Southeast Asian": (680, 735),
       "Middle Eastern": (396, 813), "Latino_Hispanic": (830, 793)}  # fmt: skip
LISTS = ["vit-l-14-laion2b.gender", "vit-b-16-openai.race", "vit-h-14-laion2b.race"]


@pytest.fixture
def said(tmp_path, capsys):
    """Return a function that audits a table, and the facts with what terminal, summary and page say."""

    def said(table, *words):
        table.to_csv(tmp_path / "answers.csv", index=False)
        assert main(["--predictions", str(tmp_path / "answers.csv"), *words, "--out", str(tmp_path / "out")]) == 0
        terminal = " ".join(capsys.readouterr().out.split())
        summary, page = ((tmp_path / "out" / name).read_text("utf-8") for name in ("summary.md", "report.html"))
        facts = from_json((tmp_path / "out" / "results.json").read_text("utf-8")).audits[0]
        return facts, terminal, " ".join(summary.split()), text_of(page)

    return said


def faces(rates=(0.95, 0.08), seed=0):
    """Return 10,954 rows in FairFace's mix; "Male" is answered for that share of men and of women, whatever the race."""
    rng = np.random.default_rng(seed)
    rows = [(race, gender) for race, sizes in MIX.items() for gender, n in zip(("Female", "Male"), sizes, strict=True) for _ in range(n)]
    table = pd.DataFrame(rows, columns=["race", "y_true"]).rename_axis("id").reset_index().astype(str)
    male = rng.random(len(table)) < np.where(table["y_true"] == "Male", *rates)
    return table.assign(y_pred=np.where(male, "Male", "Female"))


@pytest.mark.slow
@pytest.mark.parametrize("name", [LISTS[0], *(pytest.param(name, marks=pytest.mark.slow) for name in LISTS[1:])])
def test_a_perfect_model_on_a_real_table_is_accused_of_nothing(said, name):
    if not TABLES.is_dir():
        pytest.skip(f"no folder {TABLES}")
    table = pd.read_csv(TABLES / f"{name}.csv", dtype=str, keep_default_na=False)
    facts, *texts = said(table.assign(y_pred=table["y_true"]))
    planned = [finding for finding in facts.findings if finding.primary]
    assert len(planned) == (7 if "gender" in name else 3 + 2 * 7)  # accuracy, and the recall of each class by what it is not
    for finding in planned:
        assert finding.verdict == "equivalent" or (finding.verdict == "inconclusive" and (finding.gap.too_few or finding.gap.more_images))
    assert {finding.verdict for finding in facts.findings if not finding.primary} <= {"no signal", "not estimable"}
    for text in texts:
        assert "ot planned, but visible" not in text
        assert "answered more often" not in text
        assert "so few images could hardly show one" not in text
    for text in texts[:2]:
        assert "signal," not in text
        assert "signal." not in text.replace("No signal", "")
    if "gender" in name:
        # 118 faces of people over 70 and 58 of men: without an error, 299 would show that errors are too rare for their ratio to count.
        assert "Undecided in 3 of 7 questions: " in texts[0].replace("\u00a0", " ")
        assert "no difference that matters in 4." in texts[0].replace("\u00a0", " ")
        assert "needs about 190 more images of age more than 70 and others" in texts[0].replace("\u00a0", " ")


@pytest.mark.slow
def test_the_share_of_men_is_no_signal_and_stands_in_a_table(said):
    """67 % of Middle Eastern and 49 % of Latino faces are of men, and equal error rates call about as many "Male"."""
    facts, terminal, summary, page = said(faces())
    [share] = [finding for finding in facts.findings if finding.metric == "selection_rate"]
    assert (share.verdict, share.primary) == ("no signal", False)
    assert share.gap.value < 0.03
    by_race = {each.group[0]: each for each in share.shares}
    assert by_race["Middle Eastern"].true == pytest.approx(813 / 1209)
    assert by_race["Latino_Hispanic"].true == pytest.approx(793 / 1623)
    for each in share.shares:
        assert each.excess == pytest.approx(each.given - each.true)
        assert each.low < each.excess < each.high
    assert "Answers given and true answers" in page
    assert "‘Male’ by race: share given (filled) and true share (hollow)" in page
    for text in (terminal, summary):
        assert "Share given" not in text


@pytest.mark.slow
def test_a_share_that_somebody_names_is_read_the_same_way(said):
    """--outcome plans it; equal error rates are no disparity though the groups differ by 18 points in truth."""
    facts, terminal, *_ = said(faces(), "--outcome", "man=Male")
    [share] = [finding for finding in facts.findings if finding.metric == "selection_rate"]
    assert share.primary
    assert share.verdict in ("equivalent", "inconclusive")
    assert "Share given ‘man’ at " in terminal


@pytest.mark.slow
def test_more_of_one_answer_within_each_truth_is_still_a_disparity(said):
    """Black men and women are called "Male" 12 points more often than others of the same gender."""
    table = faces()
    rng = np.random.default_rng(1)
    turned = (table["race"] == "Black") & (rng.random(len(table)) < 0.15) & (table["y_pred"] == "Female")
    facts, *_ = said(table.assign(y_pred=table["y_pred"].mask(turned, "Male")), "--outcome", "man=Male")
    [share] = [finding for finding in facts.findings if finding.metric == "selection_rate"]
    assert share.verdict == "disparity"
    assert share.gap.highest == ("Black",)
    assert share.gap.low > 0


@pytest.mark.slow
def test_without_truth_a_share_stays_as_it_is(said):
    facts, terminal, *_ = said(faces().drop(columns="y_true"))
    [share] = facts.findings
    assert (share.shares, share.verdict) == ((), "disparity")
    assert "‘Male’ is the answer more often for Middle Eastern" in terminal


@pytest.mark.slow
def test_a_gate_without_a_name_is_not_about_the_mix_of_the_data(said):
    facts, terminal, *_ = said(faces(), "--outcome", "man=Male", "--fail-on", "gap > 0.15")
    assert facts.verdict != "disparity"
    assert "1 gate: held" in terminal or "1 held" in terminal


@pytest.mark.slow
def test_persons_with_several_images_count_once_at_equal_true_shares(said):
    """Each person has four images and one gender: the share at equal true shares goes by persons."""
    table = faces().iloc[::2].reset_index(drop=True)
    facts, *_ = said(
        table.assign(person=np.arange(len(table)) // 4), "--cluster", "person", "--attributes", "race", "--outcome", "man=Male"
    )
    [share] = [finding for finding in facts.findings if finding.metric == "selection_rate"]
    assert share.verdict != "disparity"
    assert share.gap.value < 0.05
    assert all(rate.clusters for rate in share.by_group)
    assert all(each.low is None for each in share.shares)


# ---- error rates that are shown to be negligible -------------------------------------------------------------------------------------


def test_no_ratio_is_asked_of_error_rates_below_a_fifth_of_the_tolerance(said):
    """396 Middle Eastern women without an error: at most .75 %, one-sided, under 1 %."""
    table = faces()
    facts, *_, page = said(table.assign(y_pred=table["y_true"]))
    [alarms] = [finding for finding in facts.findings if finding.metric == "false_positive_rate"]
    assert (alarms.verdict, alarms.ratio_tolerance, alarms.negligible) == ("equivalent", None, 0.01)
    assert facts.verdict == "equivalent"
    assert "Every group’s rate is significantly below 1 %, so the ratio of rates does not count." in page


@pytest.mark.slow
def test_sixty_images_without_an_error_are_too_few(said):
    table = pd.DataFrame({"group": ["a"] * 60 + ["b"] * 400, "y_true": (["no", "yes"] * 230), "id": range(460)})
    facts, terminal, summary, page = said(table.assign(y_pred=table["y_true"]), "--attributes", "group")
    accuracy = next(finding for finding in facts.findings if finding.metric == "accuracy")
    assert (accuracy.verdict, accuracy.gap.too_few) == ("inconclusive", (("a",),))
    for text in (terminal, summary, page):
        assert "Too few images of group a (n = 60, 30)" in text.replace("\u00a0", " ")
