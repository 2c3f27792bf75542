"""The order of the headline (docs/reading.md): what harms people comes before what is merely unequal, and a probe may declare its own."""

from dataclasses import replace

from audit.statistics.severity import by_severity
from audit.types import Settings
from reports.exports.markdown import summary_markdown
from reports.exports.terminal.audits import audit_lines
from reports.text.headline import headline_of
from reports.text.order import planned
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


def test_other_attributes_have_one_line_each_and_those_without_a_disparity_share_one():
    base = audit_of("disparity", "disparity", "equivalent", "inconclusive")
    by = {"disparity": ["race", "tone"], "equivalent": ["light"], "inconclusive": ["place"]}
    findings = [replace(finding, attributes=(by[finding.verdict].pop(0),)) for finding in base.findings if finding.primary]
    lines = headline_of(replace(base, findings=tuple(findings)), Settings()).lines

    assert [(line.verdict, line.sentence[:18]) for line in lines] == [
        ("disparity", "Role answers are l"), ("inconclusive", "Undecided by place"), ("equivalent", "Equivalent by ligh"),
    ]  # fmt: skip
