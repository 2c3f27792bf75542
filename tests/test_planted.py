"""Conclusions that hold, from the file to the verdict: planted rates through the command line with ``--predictions``.

Slow, and so not run by default: ``pytest -m slow -s tests/test_planted.py``, which prints what it measures. Every file holds several
questions (columns ``y_pred:NAME``), each drawn by itself, so that a hundred files are thousands of tests.
"""

import json

import numpy as np
import pandas as pd
import pytest
from scipy.integrate import quad
from scipy.stats import binom, norm, studentized_range

from audit.run import main

pytestmark = pytest.mark.slow

ALPHA = 0.05
RACES = np.array([209, 162, 156, 155, 152, 142, 121])
"""A tenth of FairFace's validation images by race."""


def planted(source, rates, sizes, questions):
    """Return a table: group g is right with probability rates[g]; of two labels, the true one is "yes" in half of the rows."""
    group = np.repeat([f"group {place}" for place in range(len(sizes))], sizes)
    y_true = np.array(["no", "yes"])[source.integers(2, size=len(group))]
    table = {"group": group, "y_true": y_true}
    for question in range(questions):
        right = source.random(len(group)) < np.repeat(rates, sizes)
        table[f"y_pred:q{question}"] = np.where(right, y_true, np.where(y_true == "yes", "no", "yes"))
    return pd.DataFrame(table)


@pytest.fixture
def conclude(tmp_path, capsys):
    def conclude(table, *flags):
        """Return the audit's verdict and its accuracy findings, from results.json."""
        table.to_csv(tmp_path / "p.csv", index=False)
        assert main(["--predictions", str(tmp_path / "p.csv"), "--out", str(tmp_path / "out"), *flags]) == 0
        capsys.readouterr()
        audit = json.loads((tmp_path / "out" / "results.json").read_text())["audits"][0]
        return audit["verdict"], [finding for finding in audit["findings"] if finding["metric"] == "accuracy"]

    return conclude


@pytest.fixture
def say(capsys):
    def say(text):
        with capsys.disabled():
            print(f"\n{text}", flush=True)  # noqa: T201

    return say


def at_most(share, number):
    """Return the largest share that `number` draws give with probability .999 where the truth is `share`."""
    return binom.ppf(0.999, number, share) / number


def test_no_gap_raises_no_alarm_and_intervals_cover(conclude, say):
    source, files, questions = np.random.default_rng(1), 100, 5
    verdicts, alarms, covered, wide = [], [], [], []
    for number in range(files):
        rate = (0.8, 0.9, 0.5, 0.95)[number % 4]
        verdict, findings = conclude(planted(source, np.full(7, rate), RACES, questions))
        verdicts.append(verdict)
        alarms += [finding["gap"]["p"] <= ALPHA for finding in findings]
        covered += [cell["low"] <= rate <= cell["high"] for finding in findings for cell in finding["by_group"]]
        wide += [pair["low"] <= 0 <= pair["high"] for finding in findings for pair in finding["contrasts"]]
    false = verdicts.count("disparity") / files
    say(f"no gap, {files} files of {questions} questions: disparity {false:.3f} of audits, p <= .05 {np.mean(alarms):.3f} of {len(alarms)}")
    say(f"coverage of rates {np.mean(covered):.3f} of {len(covered)}, of contrasts {np.mean(wide):.3f} of {len(wide)}")
    assert false <= at_most(0.07, files)
    assert np.mean(alarms) <= at_most(0.05, len(alarms))
    assert 0.93 <= np.mean(covered) <= 0.975
    assert 0.93 <= np.mean(wide) <= 0.975


def analytic_power(rates, n):
    """Chance that the range of independent normal rates reaches the first possible range whose null tail is at most .05.

    Rates of n images lie 1/n apart, and so do their ranges: half a step is the correction for continuity.
    """
    pooled, spread = rates.mean(), np.sqrt(rates * (1 - rates) / n)
    tail = studentized_range.ppf(1 - ALPHA, len(rates), np.inf) * np.sqrt(pooled * (1 - pooled) / n)
    critical = (np.ceil(tail * n + 0.5) - 0.5) / n

    def lowest(x, i):
        """Density of group i at x, with all others above it by no more than the critical range."""
        above = norm.cdf((x + critical - rates) / spread) - norm.cdf((x - rates) / spread)
        return norm.pdf(x, rates[i], spread[i]) * np.prod(np.delete(above, i))

    ends = [(rates[i] - 8 * spread[i], rates[i] + 8 * spread[i]) for i in range(len(rates))]
    return 1 - sum(quad(lowest, *ends[i], args=(i,), limit=200)[0] for i in range(len(rates)))


@pytest.mark.parametrize("gap", [0.05, 0.1, 0.15])
def test_a_planted_gap_is_found_as_often_as_it_should_be(conclude, say, gap):
    source, files, questions = np.random.default_rng(round(1000 * gap)), 20, 20
    rates, n = np.array([0.85] * 6 + [0.85 - gap]), 200
    found, lowest, covered = [], [], []
    for _ in range(files):
        _, findings = conclude(planted(source, rates, np.full(7, n), questions))
        found += [finding["gap"]["p"] <= ALPHA for finding in findings]
        lowest += [finding["gap"]["lowest"] == ["group 6"] for finding in findings if finding["gap"]["p"] <= ALPHA]
        planted_group = [each for finding in findings for each in finding["contrasts"] if each["first"] == ["group 6"]]
        covered += [each["low"] <= -gap <= each["high"] for each in planted_group]
    expected, error = analytic_power(rates, n), np.sqrt(0.25 / len(found))
    say(f"gap {gap:.2f} in one of 7 x {n}: p <= .05 {np.mean(found):.3f} of {len(found)}, analytic {expected:.3f}")
    say(f"the planted group is lowest in {np.mean(lowest):.3f} of those, its contrast covers {np.mean(covered):.3f}")
    assert abs(np.mean(found) - expected) <= 0.05 + error
    assert np.mean(lowest) >= {0.05: 0.85, 0.1: 0.99, 0.15: 0.99}[gap]
    assert 0.92 <= np.mean(covered) <= 0.985


def test_equal_groups_of_enough_images_are_equivalent(conclude, say):
    source, files, questions = np.random.default_rng(5), 10, 5
    verdicts = []
    for _ in range(files):
        verdicts += [finding["verdict"] for finding in conclude(planted(source, np.full(7, 0.9), 10 * RACES, questions))[1]]
    share = verdicts.count("equivalent") / len(verdicts)
    say(f"equal, FairFace's sizes, .9, tolerance .05: equivalent {share:.3f} of {len(verdicts)} (analytic .94)")
    assert share >= 0.94 - 3 * np.sqrt(0.94 * 0.06 / len(verdicts))


@pytest.mark.parametrize("rates", [(0.15, 0.1), (0.9, 0.85)])
def test_a_gap_of_the_tolerance_is_not_called_equivalent(conclude, say, rates):
    source, files, questions = np.random.default_rng(6), 20, 20
    verdicts = []
    for _ in range(files):
        verdicts += [finding["verdict"] for finding in conclude(planted(source, np.array(rates), np.full(2, 1000), questions))[1]]
    wrong = verdicts.count("equivalent") / len(verdicts)
    say(f"true gap of the tolerance, {rates}: wrongly equivalent {wrong:.3f} of {len(verdicts)}")
    assert wrong <= at_most(0.05, len(verdicts))


def test_people_with_several_images_raise_no_alarm_where_they_are_named(conclude, say):
    source, files, questions = np.random.default_rng(7), 20, 5
    held, naive = [], []
    for _ in range(files):
        people = np.repeat(np.arange(180), 5)
        table = {"person": people.astype(str), "group": np.repeat(["a", "b", "c"], 300), "y_true": "yes"}
        for question in range(questions):
            chance = source.beta(0.8 * 0.25, 0.2 * 0.25, size=180)  # images of one person agree: correlation .8
            table[f"y_pred:q{question}"] = np.where(source.random(900) < chance[people], "yes", "no")
        rows = pd.DataFrame(table)
        held += [finding["gap"]["p"] <= ALPHA for finding in conclude(rows, "--cluster", "person")[1]]
        naive += [finding["gap"]["p"] <= ALPHA for finding in conclude(rows.drop(columns="person"))[1]]
    say(f"180 people with five images: p <= .05 {np.mean(held):.3f} of {len(held)} by person, {np.mean(naive):.3f} by image")
    assert np.mean(held) <= at_most(0.05, len(held))
    assert np.mean(naive) > 0.2
