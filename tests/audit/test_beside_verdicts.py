"""What stands outside and beside the verdicts, in the words of summary, terminal and page: signals, and differences that others reverse."""

import json
import re
from itertools import product

import numpy as np
import pandas as pd
import pytest

from audit.statistics.findings import decide_verdicts, findings
from audit.types import Claim, LabelSet, Measurement, Settings
from tests.support.answered import LABELS, answered
from tests.support.command import command
from tests.support.page_text import text_of

OTHER = {"yes": "no", "no": "yes"}
LEVELS = {"race": ("a", "b", "c"), "gender": ("f", "m")}


def table(cells):
    """Rows of (attributes, n images of which k answers are right), each half truly yes where both are even."""
    rows = [
        (*attributes, truth, truth if i < k // 2 else OTHER[truth])
        for attributes, (k, n) in cells.items()
        for truth in LABELS
        for i in range(n // 2)
    ]
    return pd.DataFrame(rows, columns=["race", "gender", "y_true", "y_pred"])


def audited(tmp_path, rows, *flags):
    """Run the command on a table; return what terminal, summary and page say, and the findings by id."""
    rows.to_csv(tmp_path / "answers.csv", index=False)
    done = command("--predictions", "answers.csv", "--out", "out", *flags, cwd=tmp_path)
    assert done.returncode in (0, 1), done.stderr
    out = tmp_path / "out"
    said = [done.stdout, (out / "summary.md").read_text().replace("\\", ""), text_of((out / "report.html").read_text())]
    found = json.loads((out / "results.json").read_text())["audits"][0]["findings"]
    return [" ".join(text.split()) for text in said], {finding["id"]: finding for finding in found}


def first_screen(page):
    """What a page says above its findings in detail, whose heading stands in its contents too."""
    contents, main = re.split("(?:Findings i|I)n detail", page)[:2]
    return contents + main


# ---- signals -------------------------------------------------------------------------------------------------------------------------

CROSSED = {(race, gender): ((360, 400) if (race == "a") == (gender == "f") else (280, 400)) for race, gender in product("ab", "fm")}
"""Right 90 of 100 times for women of a and men of b, 70 for the others: every single attribute is even, their intersection is not."""


@pytest.mark.slow
def test_a_signal_is_carried_everywhere_and_marked_as_not_planned(tmp_path):
    said, found = audited(tmp_path, table(CROSSED))
    terminal, summary, page = said

    crossed = found["predictions/accuracy/race x gender"]
    assert {finding["verdict"] for finding in found.values() if finding["primary"]} == {"equivalent"}
    assert [finding["id"] for finding in found.values() if finding["verdict"] == "signal"] == [crossed["id"]]
    assert [bool(finding["pairs"]) for finding in found.values()] == [finding is crossed for finding in found.values()]
    for text in (terminal, summary, first_screen(page)):
        assert "Not planned: 1 of " in text
        assert "shows a signal, after adjustment for all of them. " in text
        assert "This is a reason to test with new images, not a verdict." in text
        assert "ess accurate for " in text
        assert "disparity" not in text.lower()
    assert terminal.index("Not planned") < terminal.index("◆ Accuracy by race × gender")
    assert "Equivalent · all 6 planned questions" in terminal


@pytest.mark.slow
def test_of_many_signals_the_strongest_three_are_carried(tmp_path):
    """Six races, answered yes 10, 20, … 60 times in 100 whatever is true, the rest "no" and a few "maybe": each share differs."""
    rows = [
        (race, gender, truth, "yes" if i < share else "no" if i < 90 - share // 3 else "maybe")
        for race, share in zip("abcdef", range(10, 70, 10), strict=True)
        for gender, truth in product("fm", ("yes", "no", "maybe"))
        for i in range(100)
    ]
    (terminal, summary, page), found = audited(tmp_path, pd.DataFrame(rows, columns=["race", "gender", "y_true", "y_pred"]))
    signals = [finding for finding in found.values() if finding["verdict"] == "signal"]
    assert len(signals) >= 3
    marked = "The strongest 3:" if len(signals) > 3 else "not a verdict."
    for text in (terminal, summary, first_screen(page)):
        assert marked in text
    assert terminal.count("◆ ") == 3
    others = sum(not finding["primary"] for finding in found.values()) - 3
    assert f"and {others} more exploratory comparisons: see the report" in terminal


def null(seed, n=400):
    """Answers that are right 8 times in 10, whoever is shown."""
    rng = np.random.default_rng(seed)
    attributes = pd.DataFrame({name: rng.choice(levels, n) for name, levels in LEVELS.items()})
    y_true = rng.choice(LABELS, n)
    return attributes, y_true, np.where(rng.random(n) < 0.2, np.vectorize(OTHER.get)(y_true), y_true)


@pytest.mark.slow
def test_a_file_without_differences_has_no_word_of_one(tmp_path):
    attributes, y_true, y_pred = null(3)
    (terminal, summary, page), found = audited(tmp_path, attributes.assign(y_true=y_true, y_pred=y_pred))
    assert {finding["verdict"] for finding in found.values() if not finding["primary"]} == {"no signal"}
    for text in (terminal, summary, first_screen(page)):
        assert "signal" not in text.replace("No signal in ", "").lower()
        assert "disparity" not in text.lower()


ASKED = (
    *(Claim("accuracy", by, primary=len(by) == 1) for by in (("race",), ("gender",), ("race", "gender"))),
    *(Claim(f"{kind}_positive_rate", by, "yes", primary=False) for kind in ("true", "false") for by in (("race",), ("gender",))),
)


@pytest.mark.slow
@pytest.mark.parametrize("files", [30, pytest.param(100, marks=pytest.mark.slow)])
def test_of_a_hundred_files_without_differences_at_most_seven_show_one(files):
    measurement = Measurement("m", "?", LabelSet("l", LABELS, {}), "p v1", ASKED, truth="truth", outcomes={"yes": ("yes",)})
    settings, shown = Settings(draws=199), 0
    for seed in range(files):
        attributes, y_true, y_pred = null(seed)
        decided, _ = decide_verdicts(findings(measurement, answered(y_pred, attributes, y_true), LEVELS, settings), settings, limited=False)
        shown += any(finding.verdict in ("disparity", "signal") for finding in decided)
    assert shown <= 7 * files / 100


def test_a_gate_takes_no_signal_for_a_verdict(tmp_path):
    rows, gap = table(CROSSED), "gap[Accuracy (predictions) by race x gender]"
    rows.to_csv(tmp_path / "answers.csv", index=False)
    refused = command("--predictions", "answers.csv", "--fail-on", f"verdict{gap[3:]} == disparity", "--out", "no", cwd=tmp_path)
    assert refused.returncode == 2
    assert "is exploratory, so it has no verdict" in refused.stderr
    assert f"put the gate to its gap: {gap} > 0.05" in refused.stderr
    # Of the whole audit, of every question, and of a gap that somebody named.
    gates = ("verdict == disparity", "gap > 0.1", f"{gap} > 0.1")
    flags = [word for gate in gates for word in ("--fail-on", gate)]
    done = command("--predictions", "answers.csv", "--out", "out", "--junit", "junit.xml", *flags, cwd=tmp_path)
    assert done.returncode == 1
    assert [gate["outcome"] for gate in json.loads((tmp_path / "out/results.json").read_text())["gates"]] == ["held", "held", "breached"]
    assert "signal" not in (tmp_path / "junit.xml").read_text()


# ---- at equal other attributes ---------------------------------------------------------------------------------------------------------

AGES = {("a", "young"): (360, 400), ("a", "old"): (960, 1600), ("b", "young"): (1000, 1214), ("b", "old"): (410, 786)}
"""Right answers of a 1,320 of 2,000, of b 1,410: 4.5 points more. Of the young a is 7.6 points ahead, of the old 7.8."""


def by_age(cells):
    return table(cells).rename(columns={"race": "group", "gender": "age"})


def test_a_difference_that_turns_at_equal_age_says_so_beside_its_verdict(tmp_path):
    said, found = audited(tmp_path, by_age(AGES), "--fail-on", "gap[predictions.accuracy by age] > 0.9", "--junit", "junit.xml")

    finding = found["predictions/accuracy/group"]
    (pair,) = finding["evidence"]["adjustment"]["pairs"]
    assert (finding["verdict"], pair["shift"], round(pair["crude"], 3)) == ("disparity", "reversed", 0.045)
    for text in said:
        assert "b leads a by 4.5 points, but trails by 7.8 [" in text
        assert "] at equal age" in text
    terminal, summary, page = said
    row = terminal.index("▲ Accuracy by group")
    assert row < terminal.index("b leads a", row)
    assert "disparity, reversed at equal age" in summary
    assert "b leads a by 4.5 points, but trails by 7.8" in first_screen(page)
    assert "reversed at equal age Is accuracy the same regardless of group?" in page
    assert "b leads a by 4.5 points, but trails by 7.8" in (tmp_path / "junit.xml").read_text()
    assert "disparity, reversed at equal age" in (tmp_path / "out/model_card.md").read_text()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("cells", "said", "gaps"),
    [
        # Both groups .9 of the young and .6 of the old; b has more young: 6 points that are all age.
        (((720, 800), (720, 1200), (1080, 1200), (480, 800)), "no longer significant", ("0.0", "6.0 points")),
        # b is 4 points ahead in either age, and 10 over all.
        (((688, 800), (672, 1200), (1080, 1200), (480, 800)), "less than half is left", ("4.0", "10.0 points")),
        (((800, 1000), (500, 1000), (900, 1000), (600, 1000)), "", ("10.0", "10.0 points")),
    ],
    ids=["all age", "mostly age", "not age"],
)
def test_a_difference_of_which_little_is_left_at_equal_age_is_weakened(tmp_path, cells, said, gaps):
    texts, found = audited(tmp_path, by_age(dict(zip(AGES, cells, strict=True))))
    finding = found["predictions/accuracy/group"]
    assert finding["verdict"] == "disparity"
    assert finding["evidence"]["adjustment"]["pairs"][0]["shift"] == ("weakened" if said else None)
    terminal, summary, page = texts
    for text in (terminal, page):
        assert (f": {said}." in text and "at equal age by " in text) if said else "at equal age by " not in text
    assert ("disparity, weakened at equal age" in summary) == bool(said)
    # The first screen says what remains at equal age, not what the mix of ages makes of it.
    remaining, over_all = gaps
    assert (f"b leads a by {over_all}; at equal age by {remaining} [" in first_screen(page)) == bool(said)
