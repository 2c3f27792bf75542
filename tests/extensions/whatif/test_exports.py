"""What-ifs from Python and on the terminal: the data frame, the plot, the line that says where they are."""

from dataclasses import replace

import matplotlib as mpl
import pandas as pd
import pytest

from audit.api.audits import Audit
from audit.errors import UsageError
from audit.extensions.whatif.exports import data_frame
from audit.extensions.whatif.record import Refused
from audit.types import Note
from reports.exports.terminal.audits import audit_lines
from tests.extensions.whatif.samples import asked, records
from tests.support import report_samples as samples

BY_GENDER = "role.accuracy by gender"


@pytest.fixture(autouse=True)
def _no_display():
    from matplotlib import pyplot as plt

    with mpl.rc_context({"backend": "agg"}):
        yield
        plt.close("all")


@pytest.fixture(scope="module")
def found():
    return Audit(samples.results(samples.emoji()))


@pytest.fixture(scope="module")
def results():
    return samples.results(samples.emoji().with_analyses({"what_ifs": (asked(),)}))


def nothing_tried(**given):
    return asked(question=Note.of("None"), target=None, other_attributes=(), **given)


def test_what_ifs_say_what_they_were_aimed_at(results):
    table = data_frame(results)
    # Three settings, judged by gender, at which they were aimed, and by tone.
    assert table.groupby("finding").target.agg(["all", "size"]).to_numpy().tolist() == [[True, 3], [False, 3]]
    assert table.loc[table.target, ["gap_before", "gap", "accuracy_before", "accuracy"]].to_numpy().tolist() == [
        [0.3, 0.12, 0.9, 0.85], [0.3, 0.2, 0.9, 0.8], [0.3, 0.05, 0.9, 0.7],
    ]  # fmt: skip
    assert pd.isna(table.loc[table.method == "group-thresholds", "beats_random"]).all()
    assert table.ndcg.isna().all()


def test_what_ifs_have_the_quality_of_an_order_and_without_them_the_frame_is_empty(results):
    audit = results.audits[0]
    (asked, *_), point = audit.analyses["what_ifs"], audit.analyses["what_ifs"][0].target.points[0]
    ranked = replace(point, what_if=replace(point.what_if, ndcg=(0.9, 0.8)))
    changed = replace(asked, target=replace(asked.target, points=(ranked,)), other_attributes=())
    table = data_frame(replace(results, audits=(audit.with_analyses({"what_ifs": (changed,)}),)))
    assert table[["ndcg_before", "ndcg", "ending"]].to_numpy().tolist() == [[0.9, 0.8, point.what_if.outcome]]
    # Without what-ifs the frame is empty and has its columns.
    nothing = data_frame(samples.results(samples.emoji()))
    assert (nothing.empty, {"method", "gap", "accuracy"} <= set(nothing.columns)) == (True, True)


def test_what_ifs_stand_at_gap_and_accuracy(found):
    first = found.results.audits[0].with_analyses({"what_ifs": (asked(), nothing_tried())})
    held = Audit(replace(found.results, audits=(first,)))
    axes = held.plot.what_ifs("by gender")
    assert held.plot.what_ifs(first.analyses["what_ifs"][0].target.finding).get_ylabel() == axes.get_ylabel()

    assert [tuple(map(tuple, collection.get_offsets().round(6).tolist())) for collection in axes.collections] == [
        ((12.0, 85.0), (20.0, 80.0)), ((5.0, 70.0),),
    ]  # fmt: skip
    assert [(float(line.get_xdata()[0]), float(line.get_ydata()[0])) for line in axes.lines] == [(30.0, 90.0)]
    assert axes.get_ylabel() == "accuracy, % of 150 images"
    with pytest.raises(UsageError, match="every setting was refused"):
        held.plot.what_ifs(1)


def test_a_refusal_says_why_and_where_no_what_if_was_asked_the_way_to_one_is_told(found):
    refused = nothing_tried(refused=(Refused("projection", "", Note.of("no prompts")),))
    held = Audit(replace(found.results, audits=(found.results.audits[0].with_analyses({"what_ifs": (refused,)}),)))
    with pytest.raises(UsageError, match="no prompts"):
        held.plot.what_ifs()
    with pytest.raises(UsageError, match="there are no what-ifs\nfix: run the audit with --what-if METHOD"):
        found.plot.what_ifs(BY_GENDER)


def test_the_terminal_says_where_they_are():
    with_them = samples.results(samples.emoji().with_analyses({"what_ifs": records()}))
    assert "and what-ifs for 2 questions: see the report" in audit_lines(with_them).splitlines()
    assert "what-if" not in audit_lines(samples.results(samples.emoji()))
