"""Rare harms from outside: points hide a factor where rates are low. The words of page, summary and terminal."""

import csv
import json

import pytest

from tests.support.command import command
from tests.support.page_text import text_of


@pytest.fixture
def said(tmp_path):
    """Return a function that audits how often two groups get a word: the finding, and the words of terminal, summary and page."""

    def audit(a, b, n, *flags):
        rows = [(f"{group}{i}", group, "thief" if i < events else "person") for group, events in (("a", a), ("b", b)) for i in range(n)]
        with (tmp_path / "answers.csv").open("w", newline="") as file:
            csv.writer(file).writerows([("id", "race", "y_pred"), *rows])
        words = ("--predictions", "answers.csv", "--outcome", "harm:low=thief", "--out", "out", *flags)
        done = command(*words, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        (finding,) = json.loads((tmp_path / "out" / "results.json").read_text())["audits"][0]["findings"]
        texts = done.stdout, (tmp_path / "out" / "summary.md").read_text(), text_of((tmp_path / "out" / "report.html").read_text())
        return finding, *(" ".join(text.replace("\\", "").split()) for text in texts)

    return audit


@pytest.mark.slow
def test_a_word_given_to_one_in_a_thousand_and_to_two_in_a_hundred_is_not_equivalent(said):
    """20 and 400 of 20,000: within ±2.2 points, and 13 to 29 times as often."""
    finding, *texts = said(20, 400, 20_000)
    assert finding["gap"]["equivalence_bound"] < finding["tolerance"] == 0.05
    assert (finding["verdict"], finding["ratio_tolerance"]) == ("disparity", 1.25)
    for text in texts:
        assert "disparity" in text.lower()
        assert "differ by a factor of 13 or more" in text or "One rate is at least 13 times another" in text
    for text in texts[:2]:
        assert "quivalent" not in text
    assert (
        "One rate is at least 13 times another, corrected for all pairs: the tolerance is a factor of 1.25. In points, every pair is within"
        in texts[2]
    )


@pytest.mark.slow
def test_too_few_events_for_the_ratio_are_inconclusive_and_no_event_bounds_nothing(said):
    finding, *texts = said(3, 4, 5000)
    assert (finding["verdict"], finding["gap"]["ratio_low"]) == ("inconclusive", 1.0)
    for text in texts:
        assert "Every pair lies within ±5 points; rates may differ by a factor of up to 4.92" in text
    assert "nor its absence within 5 points and a factor of 1.25" in texts[2]
    finding, *texts = said(0, 1, 5000)
    assert (finding["verdict"], finding["gap"]["equivalence_ratio"]) == ("inconclusive", None)
    for text in texts:
        assert "the ratio of the rates is unbounded: no event in a" in text


def test_rates_that_are_alike_in_points_and_in_ratio_are_equivalent(said):
    finding, terminal, summary, page = said(1000, 1015, 20_000)
    assert finding["verdict"] == "equivalent"
    assert finding["gap"]["equivalence_ratio"] < finding["ratio_tolerance"] == 1.25
    for text in (terminal, summary):
        assert "any two compared groups differ by less than 5 points and a factor of 1.25 in share given ‘harm’ by race." in text
        assert "b and a differ by 0.08 points, and no two groups by more than 0.44 (equivalence test, 90 %)" in text
        assert "0.08 points [−0.35, 0.50]" in text or "0.08 [−0.35, 0.50]" in text
    assert "within both tolerances: the 90 % interval" in page


def test_the_flag_is_the_factor_that_would_not_matter(said):
    """The same rates: by a factor of 1.05 they are not shown to be alike."""
    finding, terminal, _, page = said(1000, 1015, 20_000, "--ratio-tolerance", "1.05")
    assert (finding["verdict"], finding["ratio_tolerance"]) == ("inconclusive", 1.05)
    assert "5 points and a factor of 1.05" in page
    assert "rates may differ by a factor of up to 1.09" in terminal


@pytest.mark.parametrize("wrong", ["1", "0.8", "nan", "inf"])
def test_a_factor_of_one_or_less_is_refused(tmp_path, wrong):
    done = command("--predictions", "answers.csv", "--ratio-tolerance", wrong, cwd=tmp_path)
    assert done.returncode == 2
    assert "invalid ratio tolerance" in done.stderr
    assert "a number above 1" in done.stderr
