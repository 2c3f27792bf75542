"""fairlearn computes every rate by group that a page shows; where it and the counts differ, a run ends without a result."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from audit.__main__ import main
from audit.statistics import findings, metrics

N = 400
TRUTH = np.array(["no", "yes"])[np.arange(N) // 2 % 2]
ROWS = pd.DataFrame({
    "id": [f"i{row}" for row in range(N)], "group": np.array(["a", "b"])[np.arange(N) % 2], "y_true": TRUTH,
    "y_pred": np.where(np.arange(N) % 10 > 1, TRUTH, np.where(TRUTH == "yes", "no", "yes")), "w": 1 + np.arange(N) % 3,
})  # fmt: skip


def one_event_more(tallied):
    """The counts with an event too many in the first group."""
    first = np.arange(len(tallied.events)) == 0
    weights = None if tallied.weights is None else (tallied.weights[0] + first, tallied.weights[1])
    return dataclasses.replace(tallied, events=tallied.events + first, weights=weights)


def fault_in_the_counts(monkeypatch, name):
    tally = findings.tally
    monkeypatch.setattr(findings, "tally", lambda *given: one_event_more(tally(*given)) if given[1].name == name else tally(*given))


def fault_in_the_frame(monkeypatch, name):
    """One image more of the first row in what is handed to `MetricFrame`."""
    coded = metrics._coded
    monkeypatch.setattr(metrics, "_coded", lambda *given: (*coded(*given)[:3], coded(*given)[3] + (np.arange(len(coded(*given)[3])) == 0)))


@pytest.mark.parametrize("options", [[], ["--weights", "w"]], ids=["each image once", "weights"])
@pytest.mark.parametrize("plant", [fault_in_the_counts, fault_in_the_frame])
@pytest.mark.parametrize("name", ["accuracy", "true_positive_rate", "selection_rate"])
def test_a_planted_fault_ends_the_run(plant, name, options, tmp_path, monkeypatch, capsys):
    ROWS.to_csv(tmp_path / "rows.csv", index=False)
    plant(monkeypatch, name)
    words = ["run", "--predictions", str(tmp_path / "rows.csv"), "--attributes", "group", *options]
    assert main([*words, "--out", str(tmp_path / "out")]) == 70
    told = " ".join(capsys.readouterr().err.split())
    found = name if plant is fault_in_the_counts else "accuracy"
    assert f"predictions/{found}" in told
    assert "fairlearn computes 0." in told
    assert "for a, and the counts give 0." in told
    assert not (tmp_path / "out" / "results.json").exists()
