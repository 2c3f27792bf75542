"""Conclusions that hold, from the file to the verdict: planted rates through the command line with ``--predictions``.

``pytest -m calibration -s tests/audit/statistics/test_planted.py`` prints what it measures. The kinds of files, what is true in
them and what must come out stand in `benchmarks/conclusions/planted.py`.
"""

import json
import os

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom

from audit.run import main
from benchmarks.conclusions.planted import PLANS

pytestmark = pytest.mark.calibration

ALPHA = 0.05


@pytest.mark.parametrize("plan", PLANS, ids=[plan.kind.name for plan in PLANS])
def test_conclusions_hold(plan, capsys):
    with capsys.disabled():
        assert "NOT MET" not in plan(os.cpu_count() or 1)


@pytest.fixture
def conclude(tmp_path, capsys):
    def conclude(table, *flags):
        """Return the accuracy findings of an audit, from results.json."""
        table.to_csv(tmp_path / "p.csv", index=False)
        assert main(["--predictions", str(tmp_path / "p.csv"), "--out", str(tmp_path / "out"), *flags]) == 0
        capsys.readouterr()
        audit = json.loads((tmp_path / "out" / "results.json").read_text())["audits"][0]
        return [finding for finding in audit["findings"] if finding["metric"] == "accuracy"]

    return conclude


def at_most(share, number):
    """Return the largest share that `number` draws give with probability .999 where the truth is `share`."""
    return binom.ppf(0.999, number, share) / number


def test_people_with_several_images_raise_no_alarm_where_they_are_named(conclude, capsys):
    source, files, questions = np.random.default_rng(7), 20, 5
    held, naive = [], []
    for _ in range(files):
        people = np.repeat(np.arange(180), 5)
        table = {"person": people.astype(str), "group": np.repeat(["a", "b", "c"], 300), "y_true": "yes"}
        for question in range(questions):
            chance = source.beta(0.8 * 0.25, 0.2 * 0.25, size=180)  # images of one person agree: correlation .8
            table[f"y_pred:q{question}"] = np.where(source.random(900) < chance[people], "yes", "no")
        rows = pd.DataFrame(table)
        held += [finding["gap"]["p"] <= ALPHA for finding in conclude(rows, "--cluster", "person")]
        naive += [finding["gap"]["p"] <= ALPHA for finding in conclude(rows.drop(columns="person"))]
    with capsys.disabled():
        print(f"\n180 people with five images: p <= .05 {np.mean(held):.3f} of {len(held)} by person, {np.mean(naive):.3f} by image")  # noqa: T201
    assert np.mean(held) <= at_most(0.05, len(held))
    assert np.mean(naive) > 0.2
