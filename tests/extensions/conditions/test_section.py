"""The section of conditions: its sentences, lines, slopes and table, and what is shown without a judgement."""

import csv
import io
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from audit.analyses.conditions import ConditionsAsked, conditions_record, judged_together
from audit.analyses.records import Condition, CorruptionError, ErrorGap, GroupError, KindError
from audit.extensions.conditions.chart import series_panels
from audit.records.base import Estimate
from audit.types import Predictions, Settings
from reports.exports.markdown import summary_markdown
from reports.exports.tables import csv_tables
from reports.render import render
from tests.support import report_samples as samples
from tests.support.page_text import text_of

GROUPS = ["boat"] * 60 + ["tree <i>"] * 40 + ["thin"] * 4


def predictions(wrong):
    """Answers of which the first `wrong` of each group are wrong."""
    place = np.concatenate([np.arange(60), np.arange(40), np.arange(4)])
    bad = place < np.array([dict(zip(("boat", "tree <i>", "thin"), wrong, strict=True))[group] for group in GROUPS])
    table = pd.DataFrame({"thing": GROUPS}, index=[str(i) for i in range(104)], dtype="str")
    return Predictions(("x", "y"), ("x", "y"), np.empty((0, 2)), np.where(bad, "y", "x"), np.full(104, "x"), table, np.empty(0))


def records():
    """Return analyses that fill every part of the section."""
    asked = ConditionsAsked("Who is lost in noise?", "images", "thing", ("thing",))
    under = [
        (Condition("unchanged"), predictions((6, 4, 1))),
        (Condition("noise 1", "noise", 1.0), predictions((6, 6, 1))),
        (Condition("noise 2", "noise", 2.0), predictions((9, 32, 2))),
        (Condition("a printed word"), predictions((12, 8, 4))),
    ]
    record = conditions_record(asked, under, {"thing": ("boat", "tree <i>", "thin")}, Settings(draws=199))
    return judged_together([replace(record, corruption_error=corruption_error())], 0.05, limited=False)


def corruption_error():
    """Return a mean of two kinds, one of which is not in it."""
    groups = (GroupError(("boat",), 60, 0.3, 0.2, 0.4, "ok"), GroupError(("tree <i>",), 40, 0.5, 0.4, 0.6, "ok"))
    gap = ErrorGap(("tree <i>",), ("boat",), Estimate(0.2, 0.05, 0.35))
    kinds = (KindError("fog", 0.4, (0.3, 0.5), None, True), KindError("frost (procedural)", 0.2, (0.1, 0.3), None, False))
    return CorruptionError(None, GroupError((), 100, 0.38, 0.3, 0.46, "ok"), groups, gap, kinds)


@pytest.fixture(scope="module")
def found():
    return records()


def report(found):
    return samples.results(samples.fairface().with_analyses({"conditions": found}))


def words(results):
    return " ".join(text_of(render(results)).split())


@pytest.mark.slow
def test_the_clearest_is_said_with_both_groups(found):
    page, summary = words(report(found)), " ".join(summary_markdown(report(found)).split())
    clearest = "Most significant: with noise 2, accuracy of tree <i> goes from 90 % to 20 %, and of boat goes from 90 % to 85 %;"
    for text in (page, summary):
        assert "In 1 of 3 comparisons, groups change unequally (Benjamini and Hochberg)." in text
    assert clearest in page
    assert "do all groups of images lose equally" in page


def test_how_a_chart_is_read_is_said_once(found):
    again = replace(found[0], question="Who is lost again?")
    page = words(report((*found, again)))
    assert "Who is lost again? By thing" in page
    assert page.count("Each line is a group, from the baseline") == page.count("Hollow: the baseline.") == 1


@pytest.mark.slow
def test_lines_and_slopes_have_their_numbers_in_a_table(found):
    html = render(report(found))
    section = html[html.index("The same images, other conditions</h3>") :]
    section = section[: section.index("</section>")]
    assert section.count('<svg class="panel"') == 1
    assert section.count('class="dot small-dot"') == 2  # the thin group has no line
    page = words(report(found))
    assert "unchanged (baseline)" in page
    assert "a printed word" in page
    assert "tree &lt;i&gt;" in section
    assert "tree <i>" not in section


def test_a_panel_places_rates_between_its_axes(found):
    (panel,) = series_panels(found[0])
    assert panel.name == "noise"
    assert [mark.text for mark in panel.steps] == ["0", "1", "2"]
    steep, flat = panel.lines[1].path, panel.lines[0].path
    heights = [[float(part.split(" ")[1]) for part in line.replace("M", "L").split("L")[1:]] for line in (flat, steep)]
    assert heights[0][0] == heights[1][0]  # both 90 %
    assert heights[1][2] - heights[1][0] > 10 * (heights[0][2] - heights[0][0])


def test_no_signal_is_undecided_and_too_few_groups_are_not_judged(found):
    quiet = tuple(replace(each, results=tuple(replace(one, verdict="no signal") for one in each.results)) for each in found)
    assert "In none of 3 comparisons is an unequal change significant: it is undecided whether there is one." in words(report(quiet))
    asked = ConditionsAsked("Who?", "prompts", "thing", ("thing",))
    under = [(Condition("one"), predictions((6, 4, 1))), (Condition("all"), predictions((5, 4, 1)))]
    levels, settings = {"thing": ("boat", "tree <i>", "thin")}, Settings(draws=99, min_group_size=50)
    few = judged_together([conditions_record(asked, under, levels, settings)], 0.05, limited=False)
    page = words(report(few))
    assert "Nothing is judged here" in page
    assert "fewer than two groups have at least 50 images" in page


def test_the_table_has_a_row_a_condition_and_group(found):
    rows = list(csv.DictReader(io.StringIO(csv_tables(report(found))["conditions.csv"])))
    assert len(rows) == 9
    noise = next(row for row in rows if row["condition"] == "noise 2" and row["group"] == "tree <i>")
    shown = [noise[name] for name in ("before", "after", "difference", "n", "verdict")]
    assert shown == ["0.9", "0.2", "-0.7", "40", "signal"]
