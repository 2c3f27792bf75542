"""Comparisons from Python: the facts of the command, as values, tidy frames and plots; a series by its steps."""

import json
from dataclasses import replace

import matplotlib as mpl
import pytest

import audit
from audit.api.audits import Audit
from audit.errors import DataError, UsageError
from audit.records.comparison import to_json
from tests.support import comparison_samples as samples

ACCURACY = "animal.accuracy by group"


@pytest.fixture(autouse=True)
def _no_display():
    from matplotlib import pyplot as plt

    with mpl.rc_context({"backend": "agg"}):
        yield
        plt.close("all")


@pytest.fixture(scope="module")
def audits(tmp_path_factory):
    """Wrong in 60 of the 120 images of group b before, in 6 of the same images after; a and c are always right."""
    folder = tmp_path_factory.mktemp("audits")
    samples.audit(folder / "skewed", {"b": 60})
    samples.audit(folder / "plain", {"b": 6})
    return folder


@pytest.fixture(scope="module")
def changes(audits):
    return audit.load(audits / "skewed").compare(audit.load(audits / "plain"))


@pytest.fixture(scope="module")
def series():
    """Steps 0, 100, 200, 300: group b wrong in 0, 14, 60 and 58 of 120, c always in 2, a in none."""
    return audit.Changes(samples.four_steps())


def question(frame, **others):
    chosen = frame[frame.finding == "animal/accuracy/group"]
    for name, value in others.items():
        chosen = chosen[chosen[name] == value]
    return chosen


def test_the_gap_before_and_after_and_the_images_that_changed(changes):
    change = question(changes.metrics).iloc[0]
    group_b = question(changes.by_group(), group="b").iloc[0]
    # Rates of b: 60 of 120 and 114 of 120, beside 120 of 120.
    assert (change.gap_before, change.gap_after) == (0.5, pytest.approx(0.05))
    assert change.difference == pytest.approx(-0.45)
    assert (change.direction, change.verdict_before) == ("shrank", "disparity")
    assert (group_b.n, group_b.rate_before, group_b.rate_after, group_b.gained, group_b.lost) == (120, 0.5, 0.95, 54, 0)
    assert list(question(changes.by_group()).group) == ["a", "b", "c", "all images"]
    assert changes.facts.family == changes.metrics.primary.sum() == 2
    assert repr(changes) == "<Changes plain/ckpt.pt against skewed/ckpt.pt, zoo: gap shrank>"


@pytest.mark.slow
def test_the_facts_are_those_of_the_command(audits, changes, tmp_path, monkeypatch):
    from audit.compare import main

    monkeypatch.chdir(audits)
    assert main(["skewed", "plain", "--out", str(tmp_path / "out")]) == 0
    command, here = (json.loads(text) for text in ((tmp_path / "out" / "comparison.json").read_text(), to_json(changes.facts)))
    assert here | {"timing": None, "command": None} == command | {"timing": None, "command": None}


def test_what_is_saved_is_loaded_as_it_was(changes, tmp_path):
    page = changes.save(tmp_path / "kept")
    assert sorted(path.name for path in page.parent.iterdir()) == [
        "STATUS",
        "comparison.html",
        "comparison.json",
        "comparison.md",
        "manifest.json",
    ]
    assert page.read_text("utf-8") == changes.to_html() == audit.load_changes(page.parent).to_html()
    assert (page.parent / "STATUS").read_text() == "complete\n"
    with pytest.raises(DataError, match=r"comparison\.json not found in"):
        audit.load_changes(tmp_path)


def test_a_tolerance_of_ones_own_is_a_share(audits):
    first, second = (audit.load(audits / name) for name in ("skewed", "plain"))
    changed = first.compare(second, tolerance=0.5)
    assert set(changed.metrics.tolerance) == {0.5}
    assert changed.facts.settings == replace(samples.SETTINGS, tolerance=0.5)
    for wrong in (-0.1, 1.0, float("nan")):
        with pytest.raises(UsageError, match="invalid tolerance"):
            first.compare(second, tolerance=wrong)


def test_a_dumbbell_has_both_rates_of_every_group(changes):
    axes = changes.plot.dumbbell(ACCURACY)
    dots = [round(float(line.get_xdata()[0]), 6) for line in axes.lines if line.get_marker() == "o"]
    assert dots == [100.0, 100.0, 50.0, 95.0, 100.0, 100.0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a (120)", "b (120)", "c (120)"]
    assert axes.get_xlabel() == "Animal accuracy, %"
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["before: skewed/ckpt.pt", "after: plain/ckpt.pt"]


def test_the_card_says_what_changed_and_escapes(changes):
    side = changes.facts.comparisons[0]
    hostile = audit.Changes(replace(changes.facts, comparisons=(replace(side, after="<script>"),)))
    card, escaped = changes._repr_html_().replace("\xa0", " "), hostile._repr_html_()
    assert ("Gap shrank" in card, "from 50 points" in card) == (True, True)
    assert ("<script>" in escaped, "&lt;script&gt;" in escaped) == (False, True)


@pytest.fixture(scope="module")
def in_memory():
    """One audit of two models, as `audit.audit([...])` returns it."""
    audited = tuple(samples.result(samples.model(name), {"b": wrong}) for name, wrong in (("first", 60), ("second", 6)))
    facts = samples.facts(*((each.result.model.name, each) for each in audited))
    results = samples.Results(
        samples.SCHEMA_VERSION, "complete", "vlm-audit test", (), samples.SETTINGS, {}, tuple(each.result for each in audited), facts.timing
    )
    return Audit(results, audited)


def test_models_of_one_audit_are_compared_among_themselves(in_memory, tmp_path):
    changed = in_memory.compare()
    in_memory.save(tmp_path / "saved")
    again = audit.load(tmp_path / "saved").compare().facts
    assert question(changed.metrics).iloc[0].gap_after == pytest.approx(0.05)
    assert (again.comparisons, again.sides[0].sha256) == (changed.facts.comparisons, changed.facts.sides[0].sha256)


def test_predictions_of_other_results_and_a_single_model_are_refused(in_memory, audits):
    with pytest.raises(DataError, match="is not that of its results"):
        Audit(in_memory.results, in_memory.audited[:1] * 2).compare()
    with pytest.raises(UsageError, match="two models"):
        audit.load(audits / "plain").compare()


@pytest.mark.slow
def test_the_gap_and_the_rates_by_step(series):
    steps, rates = question(series.by_step()), question(series.rates_by_step())
    assert list(steps.step) == [0, 100, 200, 300]
    assert list(steps.gap.round(6)) == [round(wrong / 120, 6) for wrong in (2, 14, 60, 58)]
    assert list(steps.lowest) == ["c", "b", "b", "b"]
    assert list(rates[rates.group == "b"].events) == [120, 106, 60, 62]
    assert set(rates.group) == {"a", "b", "c", "all images"}


def test_curves_over_the_steps_mark_the_one_at_which_the_gap_is_shown(series):
    gap, rates = series.plot.gap_by_step(ACCURACY), series.plot.rates_by_step(ACCURACY)
    of_b = next(line for line in rates.lines if line.get_label() == "b (120)")
    assert list(gap.lines[0].get_xdata()) == list(of_b.get_xdata()) == [0, 100, 200, 300]
    assert [round(float(y), 3) for y in gap.lines[0].get_ydata()] == [1.667, 11.667, 50.0, 48.333]
    assert [round(float(y), 3) for y in of_b.get_ydata()] == [100.0, 88.333, 50.0, 51.667]
    assert (gap.get_xlabel(), gap.get_ylabel()) == ("optimiser steps", "gap by group, percentage points")
    assert "tolerance: 5 points" in [text.get_text().replace("\xa0", " ") for text in gap.get_legend().get_texts()]
    appears = next(trajectory for trajectory in series.facts.series[0].trajectories if trajectory.id == "animal/accuracy/group").detectable
    assert appears in (100, 200)
    assert [line.get_xdata()[0] for line in gap.lines if line.get_label() == f"detected from step {appears} on"] == [appears]


def test_without_a_series_there_are_no_steps(changes):
    assert changes.by_step().empty
    assert changes.rates_by_step().empty
    with pytest.raises(UsageError, match="no series was compared"):
        changes.plot.gap_by_step(ACCURACY)
