"""True answers that are missing depending on the answer neither accuse nor clear: the question is undecided, between two ends."""

import json
from itertools import product

import numpy as np
import pandas as pd
import pytest

import audit
from audit.__main__ import main
from audit.commands.verify import verify
from audit.statistics.intervals import newcombe
from audit.statistics.superiority import ScoredRows, filled
from reports.exports.card import card
from reports.exports.markdown import summary_markdown
from reports.exports.terminal.audits import audit_lines
from tests.support.page_text import text_of
from verify import clusters

CELLS = [("yes", "yes"), ("yes", "no"), ("no", "yes"), ("no", "no")]


def table(**groups):
    """A table of answers: for each group the images of `CELLS` (true answer, answer), and how many of each have no true answer."""
    rows = [
        (group, "" if at < lacking else truth, answer)
        for group, cells in groups.items()
        for (truth, answer), (n, lacking) in zip(CELLS, cells, strict=True)
        for at in range(n)
    ]
    rows = pd.DataFrame(rows, columns=["group", "y_true", "y_pred"])
    return rows.assign(id=[f"i{row}" for row in range(len(rows))])


# One model: of true "yes" 85 % right, of true "no" 90 %. Of b's answers "no", 60 % are verified: 60 of 150 and 360 of 900 are not.
# Then 850 of 940 (90.4 %) of b's known "yes" are right against 85 %, and 100 of 640 (15.6 %) of its known "no" wrong against 10 %.
ONE_MODEL = table(a=[(850, 0), (150, 0), (100, 0), (900, 0)], b=[(850, 0), (150, 60), (100, 0), (900, 360)])
# Of true "yes" 92 % of a and 84 % of b are right; half of b's 960 misses are not confirmed: 480 of 5520 remain, like a's 480 of 6000.
HALF_THE_MISSES = table(a=[(5520, 0), (480, 0), (480, 0), (5520, 0)], b=[(5040, 0), (960, 480), (480, 0), (5520, 0)])


def screens(done):
    texts = text_of(done.to_html()), summary_markdown(done.results), audit_lines(done.results), text_of(card(done.results))
    return [" ".join(text.replace("\\", "").replace("\xa0", " ").split()) for text in texts]


def finding(done, metric):
    [found] = (finding for finding in done.results.audits[0].findings if finding.metric == metric)
    return found


def run(rows, tmp_path, *words):
    rows.to_csv(tmp_path / "rows.csv", index=False)
    end = main(["run", "--predictions", str(tmp_path / "rows.csv"), "--attributes", "group", *words, "--out", str(tmp_path / "out")])
    return end, audit.load(tmp_path / "out")


def test_one_model_whose_answers_are_verified_for_one_group_only_is_not_accused(tmp_path):
    end, done = run(ONE_MODEL, tmp_path, "--fail-on", "verdict == disparity", "--fail-on", "gap > 0.01")
    found, [one] = done.results.audits[0], finding(done, "false_positive_rate").uncovered[1:]
    assert (found.verdict, end) == ("inconclusive", 0)
    assert {one.metric: (one.verdict, one.withheld) for one in found.findings} == {
        "accuracy": ("inconclusive", "equivalent"), "true_positive_rate": ("inconclusive", "disparity"),
        "false_positive_rate": ("inconclusive", "disparity"), "selection_rate": ("no signal", "signal"),
    }  # fmt: skip
    # All 420 answers without truth may be right: 100 of 1060 false alarms against 10 %; or none is a true "no": 100 of 640.
    assert (one.filled.least, one.filled.most) == pytest.approx((100 / 1060 - 0.1, 100 / 640 - 0.1))
    assert one.filled.low == pytest.approx(newcombe(100 / 1060 * 640, 640, 100, 1000, 0.05)[0])
    assert [gate.outcome for gate in done.results.gates] == ["inconclusive", "inconclusive"]
    for text in screens(done):
        assert "420 images have no true answer, depending on the answer: of b, 0.0 % of answers ‘yes’ and 40.0 % of other answers" in text
        assert "of a, 0.0 % and 0.0 %" in text
        assert "b and a differ in share of ‘no’ taken for ‘yes’ by anything from 0.6 points in the other direction to 5.6 points" in text
        assert "Undecided: true answers are missing more often with some answers than with others" in text
        assert "too few images to tell" not in text.lower()
    checked = verify(tmp_path / "out")
    assert (checked.end, checked.ledger.differences) == ("VERIFIED", [])


def test_questions_with_missing_truth_are_counted_among_the_undecided(tmp_path):
    rows = table(a=[(205, 0), (38, 0), (40, 0), (190, 0)], b=[(215, 0), (38, 25), (38, 0), (212, 140)])
    _, done = run(rows, tmp_path)
    planned = [finding for finding in done.results.audits[0].findings if finding.primary]
    assert [finding.verdict for finding in planned] == ["inconclusive"] * 3
    assert sum(finding.withheld is not None for finding in planned) == 2
    for text in screens(done)[:3]:
        assert "Undecided: in 2 of 3 questions, true answers are missing more often with some answers than with others." in text


def test_misses_that_are_not_confirmed_do_not_clear_a_model(tmp_path):
    _, done = run(HALF_THE_MISSES, tmp_path)
    missed = finding(done, "true_positive_rate")
    assert (missed.verdict, missed.withheld) == ("inconclusive", "equivalent")
    assert done.results.audits[0].verdict == "inconclusive"
    # If all 480 answers without truth are misses, 5040 of 6000 are right, as is true: 8 points less than 92 %; the limit is beyond.
    assert missed.uncovered[1].filled.reach > 0.08
    # 92 and 91.7 % of those known are right; if all 480 are misses, b has 12 % errors and a 8 %.
    assert (finding(done, "accuracy").verdict, finding(done, "accuracy").withheld) == ("inconclusive", "equivalent")
    for text in screens(done):
        assert "480 images have no true answer, depending on the answer: of b, 0.0 % of answers ‘yes’ and 7.4 % of other answers" in text
        assert "two groups may differ in share of ‘yes’ taken for ‘no’ by up to" in text
    assert verify(tmp_path / "out").differences == []


def test_a_difference_that_remains_in_any_case_is_a_disparity():
    rows = table(a=[(900, 0), (100, 0), (100, 0), (900, 0)], b=[(600, 0), (400, 80), (100, 0), (900, 20)])
    done = audit.audit(predictions=rows, attributes="group", draws=99)
    missed = finding(done, "true_positive_rate")
    # b: 600 of 920 known; with the 100 answers "no" without truth, 600 of 1020, or 600 of 920.
    filled = missed.uncovered[1].filled
    assert (filled.higher, filled.least, filled.most) == (("a",), pytest.approx(0.9 - 600 / 920), pytest.approx(0.9 - 600 / 1020))
    assert (missed.verdict, missed.withheld, missed.exceeds_tolerance) == ("disparity", None, True)
    assert "a and b differ by anything from 24.8 points to 31.2 points." in screens(done)[0]


@pytest.mark.parametrize("lacking", [(0, 0, 0, 0), (340, 60, 40, 360)], ids=["none", "40 % of all answers of b"])
def test_truth_that_is_missing_regardless_of_the_answer_changes_no_verdict(lacking):
    cells = [850, 150, 100, 900]
    rows = table(a=[(n, 0) for n in cells], b=list(zip(cells, lacking, strict=True)))
    done = audit.audit(predictions=rows, attributes="group", draws=99)
    assert not any(one.code == "truth by answer" for found in done.results.audits[0].findings for one in found.uncovered)
    assert not any(found.withheld for found in done.results.audits[0].findings)


@pytest.mark.slow_except("{'weights': 'w', 'cluster': 'person'}")
@pytest.mark.parametrize("options", [{}, {"weights": "w"}, {"cluster": "person"}, {"weights": "w", "cluster": "person"}], ids=str)
def test_the_second_implementation_fills_the_same(options, tmp_path, monkeypatch):
    monkeypatch.setattr(clusters, "SHUFFLES", 299)  # p is compared in tests/verify/test_agreement.py
    third = table(c=[(700, 30), (300, 0), (150, 0), (850, 20)])
    third["y_pred"] = third["y_pred"].where(third.index % 9 > 0, "maybe")
    rows = pd.concat([ONE_MODEL, third, table(d=[(9, 0), (3, 0), (2, 0), (8, 2)])], ignore_index=True)
    rows = rows.assign(id=[f"i{row}" for row in range(len(rows))], w=1 + np.arange(len(rows)) % 2, person=np.arange(len(rows)) // 2)
    done = audit.audit(predictions=rows, attributes="group", draws=99, out=tmp_path / "out", **options)
    found = [one for finding in done.results.audits[0].findings for one in finding.uncovered if one.code == "truth by answer"]
    assert {len(one.lacking) for one in found} == {3}
    assert {one.answer for one in found} >= {"yes", "no"}
    assert verify(tmp_path / "out").differences == []


def test_a_forged_verdict_differs(tmp_path):
    rows = ONE_MODEL
    audit.audit(predictions=rows, attributes="group", draws=99, out=tmp_path / "out")
    facts = json.loads((tmp_path / "out" / "results.json").read_text())
    for found in facts["audits"][0]["findings"]:
        found["verdict"], found["withheld"] = found["withheld"] or found["verdict"], None
    facts["audits"][0]["verdict"] = "disparity"
    (tmp_path / "out" / "results.json").write_text(json.dumps(facts))
    assert verify(tmp_path / "out").end == "DIFFERS"


# ---- trends and scores ---------------------------------------------------------------------------------------------------------------

# Of true "yes" 85 % right at every level. Of the answers "no", none, 30 and 60 % are not verified: 850 of 1000, 955 and 910 known "yes".
ONE_TREND = table(
    a=[(850, 0), (150, 0), (100, 0), (900, 0)], b=[(850, 0), (150, 45), (100, 0), (900, 270)], c=[(850, 0), (150, 90), (100, 0), (900, 540)]
)
# Of true "yes" 92, 88 and 84 % right; half of the misses beyond those of a are not confirmed: 91.7 % of b and 91.3 % of c remain.
HALF_THE_TREND = table(
    a=[(5520, 0), (480, 0), (480, 0), (5520, 0)],
    b=[(5280, 0), (720, 240), (480, 0), (5520, 0)],
    c=[(5040, 0), (960, 480), (480, 0), (5520, 0)],
)
# The same scores of both groups for the same true answer. Of b's answers "no", nine of ten are not verified.
ONE_SCORE = table(a=[(850, 0), (150, 0), (100, 0), (900, 0)], b=[(850, 0), (150, 135), (100, 0), (900, 810)])


def effect(done, name):
    [found] = (one for one in done.results.audits[0].effects if one.id == name)
    return found


def scored(rows):
    """Scores of "yes" around .75 for answers "yes" and around .25 for others, spread by their place."""
    return rows.assign(**{"score:yes": np.where(rows["y_pred"] == "yes", 0.6, 0.1) + np.arange(len(rows)) % 97 / 323})


def test_a_trend_in_which_answers_are_verified_is_no_trend_of_the_model(tmp_path):
    gates = "--fail-on", "gap[predictions.yes.true_positive_rate.trend by group] > 0.01"
    end, done = run(ONE_TREND, tmp_path, "--ordered", "group=a,b,c", *gates)
    found = effect(done, "predictions/trend of true_positive_rate[yes]/group")
    assert (found.verdict, found.withheld, end) == ("inconclusive", "disparity", 0)
    # 850 of 1000, 955 (850 + 105 known misses) and 910 known; with every answer "no" without truth a miss: 1000, 1270 and 1330.
    filled = found.missing_truth.filled
    assert (filled.higher, filled.lower) == (("c",), ("a",))
    assert filled.least < 0 < 0.04 < filled.most < 0.045
    assert [gate.outcome for gate in done.results.gates] == ["inconclusive"]
    page, summary, terminal, _ = screens(done)
    said = "Depending on the missing true answers, this change is anything from"
    assert f"{said} " in page
    assert "points in the other direction to 4 points from one level to the next" in page
    for text in (page, summary, terminal):
        assert "Undecided: true answers are missing more often with some answers than with others" in text
    assert verify(tmp_path / "out").ledger.differences == []


def test_misses_that_are_not_confirmed_do_not_clear_a_trend(tmp_path):
    _, done = run(HALF_THE_TREND, tmp_path, "--ordered", "group=a,b,c")
    found = effect(done, "predictions/trend of true_positive_rate[yes]/group")
    assert (found.verdict, found.withheld) == ("inconclusive", "equivalent")
    assert found.missing_truth.filled.reach > 0.08  # 4 points a step if all are misses, as is true
    assert verify(tmp_path / "out").ledger.differences == []


def test_scores_of_verified_answers_do_not_accuse_a_model_that_scores_groups_alike(tmp_path):
    gates = "--fail-on", "gap[predictions.yes.superiority by group] > 0.01"
    end, done = run(scored(ONE_SCORE), tmp_path, "--score", "yes", *gates)
    found = effect(done, "predictions/superiority[yes]/group")
    assert (found.verdict, found.withheld, end) == ("inconclusive", "disparity", 0)
    filled = found.missing_truth.filled
    assert filled.least < 0.5 < found.effects[0].value <= filled.most
    assert [gate.outcome for gate in done.results.gates] == ["inconclusive"]
    page, summary, terminal, _ = screens(done)
    assert "Depending on the missing true answers, this share of pairs is anything from" in page
    for text in (page, summary, terminal):
        assert "Undecided: true answers are missing more often with some answers than with others" in text
    assert verify(tmp_path / "out").ledger.differences == []


def test_scores_of_misses_that_are_not_confirmed_clear_no_model(tmp_path):
    _, done = run(scored(HALF_THE_MISSES), tmp_path, "--score", "yes", "--tolerance", "0.02")
    found = effect(done, "predictions/superiority[yes]/group")
    assert (found.verdict, found.withheld) == ("inconclusive", "equivalent")
    # If all 480 are misses: among true "yes", 92 % of a and 84 % of b score high, so a scores higher in 54 % of pairs.
    assert found.missing_truth.filled.reach > 0.02


def test_a_difference_of_scores_that_remains_in_any_case_is_a_disparity():
    rows = scored(table(a=[(900, 0), (100, 0), (100, 0), (900, 0)], b=[(600, 0), (400, 80), (100, 0), (900, 20)]))
    done = audit.audit(predictions=rows, attributes="group", score="yes", draws=99, tolerance=0.02)
    found = effect(done, "predictions/superiority[yes]/group")
    assert (found.verdict, found.withheld) == ("disparity", None)
    assert found.missing_truth.filled.low > 0.5


def test_the_ends_of_scores_hold_for_every_way_to_fill_the_missing_true_answers():
    """Four images of each group and two without a true answer, with weights and a tie: every stratum of each of these is tried."""
    score, first = np.array([0.9, 0.4, 0.3, 0.6, 0.5, 0.2, 0.8, 0.1]), np.arange(8) < 4
    weight, stratum = np.array([1.0, 2, 1, 1, 1, 3, 1, 1]), np.arange(8) % 2
    lacking = ScoredRows(np.array([0.95, 0.5, 0.05, 0.7]), np.array([True, True, False, False]), np.array([1.0, 2, 1, 2]))
    least, most = filled(ScoredRows(score, first, weight, stratum=stratum), lacking)
    shares, values = np.bincount(stratum, weight) / weight.sum(), []
    for places in product((0, 1, 2), repeat=4):  # 2: neither of the two
        parts = []
        for s in (0, 1):
            own = np.array(places) == s
            x, w, side = (np.concatenate([known[stratum == s], more[own]]) for known, more in zip(
                (score, weight, first), (lacking.score, lacking.weight, lacking.first), strict=True))  # fmt: skip
            pairs = (np.sign(x[side][:, None] - x[~side]) + 1) / 2
            parts.append(float(w[side] @ pairs @ w[~side] / (w[side].sum() * w[~side].sum())))
        values.append(shares @ parts)
    assert min(values) - 0.05 < least <= min(values) + 1e-12
    assert max(values) - 1e-12 <= most < max(values) + 0.05
