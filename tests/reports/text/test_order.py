"""The order of the headline (docs/reading.md): what harms people comes before what is merely unequal, and a probe may declare its own."""

from dataclasses import replace

import pytest

from audit.statistics.severity import by_severity, decisive, worst_first
from audit.types import Settings
from reports.exports.markdown import summary_markdown
from reports.exports.terminal.audits import audit_lines
from reports.text import sentences
from reports.text.headline import headline_of
from reports.text.order import planned, strongest_signals
from tests.reports.text.test_verdicts import audit_of
from tests.support import report_samples as samples

WRONG = replace(audit_of("disparity").findings[0], id="wrong", attributes=("race",), exceeds_tolerance=True)
"""Accuracy by race: 26 points, at least 14 of them; the tolerance is 5."""


def changed(name, low=0.14, **changes):
    return replace(WRONG, id=name, gap=replace(WRONG.gap, low=low), **changes)


BY_AGE = changed("age", 0.5, attributes=("age_group",))
DEMEANING = changed(
    "demeaning", 0.01, metric="selection_rate", outcome="thief", better="low", attributes=("age_group",), exceeds_tolerance=False
)
MORE_OFTEN = changed("more often", 0.9, metric="selection_rate", outcome="cook", better="neither")
WIDER = changed("wider", 0.20)
TOLERANT = changed("tolerant", 0.20, tolerance=0.2)
UNDECIDED_SIZE = changed("undecided size", 0.3, exceeds_tolerance=False)
DIFFUSE = changed("diffuse", 0.9, diffuse=True, better="low", metric="selection_rate", outcome="thief")
DECLARED = changed("declared", 0.01, better="neither", attributes=("age_group",), lead=1)
MORAL = changed("manager", 0.14, attributes=("manager",))
"""Contains the letters of an age, but is none."""


def order(*findings):
    return [finding.id for finding in sorted(findings, key=by_severity)]


def test_a_demeaning_answer_leads_then_wrong_answers_and_what_is_only_given_more_often_comes_last():
    assert order(MORE_OFTEN, WRONG, DEMEANING) == ["demeaning", "wrong", "more often"]


def test_age_comes_after_other_attributes_however_wide_its_gap_is():
    assert order(BY_AGE, WRONG) == ["wrong", "age"]
    assert order(BY_AGE, MORAL) == ["manager", "age"]


def test_beyond_the_tolerance_comes_first_then_the_lower_end_as_a_multiple_of_the_tolerance():
    """At least 20 points are 4 tolerances of 5 points, but 1 of 20; 14 points are 2.8."""
    assert order(UNDECIDED_SIZE, TOLERANT, WRONG, WIDER) == ["wider", "wrong", "tolerant", "undecided size"]


def test_a_difference_between_named_groups_comes_before_a_diffuse_one():
    assert order(DIFFUSE, BY_AGE) == ["age", "diffuse"]


def test_a_rank_that_the_probe_declared_comes_before_the_rule():
    assert order(DEMEANING, WRONG, DECLARED, replace(DECLARED, id="second", lead=2)) == ["declared", "second", "demeaning", "wrong"]


def test_no_rank_puts_a_question_without_a_disparity_first():
    assert order(replace(DECLARED, verdict="equivalent"), WRONG) == ["wrong", "declared"]


def recall(name, **changes):
    """The recall of one class, with a gap of at least 20 points, by the attribute of WRONG."""
    return replace(changed(name, 0.20, **changes), metric="true_positive_rate", outcome=name)


def placed(*findings):
    return [finding.id for finding in worst_first(findings)]


def test_a_class_follows_the_whole_that_it_is_not_shown_to_differ_from():
    """In accuracy the gap is 26 points: of 'cat' it is at least 20, so 'cat' may be no worse than the rest; of 'cow' it is at least 30."""
    classes = (recall("cat"), recall("dog", verdict="inconclusive"), recall("hen", verdict="equivalent"))
    cow = recall("cow")
    cow = replace(cow, gap=replace(cow.gap, low=0.3))
    other = recall("owl")
    other = replace(other, gap=replace(other.gap, lowest=other.gap.highest, highest=other.gap.lowest))

    assert WRONG.gap.value == pytest.approx(0.26)
    assert order(WRONG, *classes) == ["cat", "wrong", "dog", "hen"]
    assert placed(*classes, WRONG) == ["wrong", "cat", "dog", "hen"]
    assert placed(*classes, WRONG, cow) == ["cow", "wrong", "cat", "dog", "hen"]
    assert placed(*classes, other, WRONG) == ["owl", "wrong", "cat", "dog", "hen"]  # another group is worst off
    assert placed(*classes, WIDER, WRONG) == ["wider", "wrong", "cat", "dog", "hen"]
    assert placed(*(replace(each, attributes=("sex",)) for each in classes), WRONG)[0] == "cat"
    # Of two labels either may lead: opposite errors cancel in the accuracy.
    assert placed(WRONG, *classes[:2]) == ["cat", "wrong", "dog"]
    # A whole without a disparity hides no class.
    assert placed(replace(WRONG, verdict="equivalent"), *classes)[0] == "cat"


def test_page_summary_and_terminal_lead_with_the_same_finding():
    """A gap of 50 points by age and one of 14 by race: both are wrong answers, so race leads, and age has a line of its own."""
    base = audit_of("disparity", "disparity")
    audit = replace(base, findings=(replace(BY_AGE, primary=True), replace(WRONG, primary=True)))
    said = headline_of(audit, Settings())

    assert planned(audit.findings)[0].id == said.finding.id == "wrong"
    assert said.sentence.startswith("Role answers are less accurate for woman (race)")
    assert [line.verdict for line in said.lines] == ["disparity"]
    assert "woman (age group)" in said.lines[0].sentence
    assert said.sentence.replace("\xa0", " ") in summary_markdown(samples.results(audit)).replace("\\", "").replace("\xa0", " ")
    printed = " ".join(audit_lines(samples.results(audit)).split())
    assert "less accurate for woman (race)" in printed


def test_a_larger_gap_below_the_headline_says_why_it_is_there():
    assert (decisive(DECLARED, WRONG), decisive(WRONG, DIFFUSE), decisive(DEMEANING, WRONG)) == ("rank", "diffuse", "harm")
    assert (decisive(WRONG, BY_AGE), decisive(WRONG, UNDECIDED_SIZE), decisive(WIDER, WRONG)) == ("age", "size", "size")
    base = audit_of("disparity", "disparity")

    def line(finding):
        return headline_of(replace(base, findings=(replace(WRONG, primary=True), finding)), Settings()).lines[0].sentence

    pair = BY_AGE.gap.leading
    wide = replace(BY_AGE, primary=True, gap=replace(BY_AGE.gap, leading=replace(pair, difference=0.5)))
    assert line(wide).endswith(" A larger gap, but this report puts age last.")
    assert line(replace(wide, gap=replace(wide.gap, leading=replace(pair, difference=0.1)))).endswith(" for man.")
    uncertain = replace(wide, attributes=("place",), gap=replace(wide.gap, low=0.1))
    assert line(uncertain).endswith(" A larger gap, but less certain.")


def test_a_signal_that_repeats_a_rate_of_a_disparity_is_not_listed():
    """Of 100 women 72 are right by gender; by gender and place the affected group has the same 100 images and 72 right answers."""
    planned_one = replace(WRONG, primary=True)
    groups = {("woman",): ("woman", "north"), ("man",): ("man", "south"), ("person",): ("person", "south")}
    pair = WRONG.gap.leading
    crossed = replace(
        WRONG, id="crossed", primary=False, verdict="signal", attributes=("race", "place"),
        by_group=tuple(replace(cell, group=groups[cell.group], n=cell.n + (cell.group != ("woman",))) for cell in WRONG.by_group),
        gap=replace(WRONG.gap, leading=replace(pair, higher=("man", "south"), lower=("woman", "north"))),
    )  # fmt: skip
    fresh = replace(crossed, id="fresh", by_group=tuple(replace(cell, n=cell.n + 1) for cell in crossed.by_group))
    audit = replace(audit_of("disparity"), findings=(planned_one, crossed, fresh))

    assert [signal.id for signal in strongest_signals(audit.findings)] == ["fresh"]
    assert sentences.signals_sentence(audit).endswith("not a verdict. The strongest that repeat no rate of a disparity above:")
    alone = replace(audit, findings=(planned_one, crossed))
    assert strongest_signals(alone.findings) == ()
    assert "Every one of them repeats a rate of a disparity above." in sentences.signals_sentence(alone)
    assert "Every one of them repeats a rate of a disparity above." in " ".join(audit_lines(samples.results(alone)).split())
    # It is news where the planned question is not a disparity.
    equal = replace(planned_one, verdict="equivalent")
    assert [signal.id for signal in strongest_signals((equal, crossed))] == ["crossed"]


def test_other_attributes_have_one_line_each_and_those_without_a_disparity_share_one():
    base = audit_of("disparity", "disparity", "equivalent", "inconclusive")
    by = {"disparity": ["race", "tone"], "equivalent": ["light"], "inconclusive": ["place"]}
    findings = [replace(finding, attributes=(by[finding.verdict].pop(0),)) for finding in base.findings if finding.primary]
    lines = headline_of(replace(base, findings=tuple(findings)), Settings()).lines

    assert [(line.verdict, line.sentence[:18]) for line in lines] == [
        ("disparity", "Role answers are l"), ("inconclusive", "Undecided: role ac"), ("equivalent", "Equivalent: role a"),
    ]  # fmt: skip
