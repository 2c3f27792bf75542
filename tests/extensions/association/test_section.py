"""The section of associations: its sentences, its chart, its table, and what it leaves out."""

import re
from dataclasses import replace

import pytest

from audit.analyses.records import ChanceBand
from audit.extensions.association.record import AssociatedGroup, AssociationTest
from audit.types import Note
from reports.exports.markdown import summary_markdown
from reports.exports.tables import csv_tables
from reports.exports.terminal.audits import audit_lines
from reports.render import render
from tests.support import report_samples as samples
from tests.support.page_text import text_of


def group(name, d, verdict, p=0.003):
    return AssociatedGroup(name, 60, d / 10, d, ChanceBand(0.0, -0.25, 0.25), p, p, verdict)


FOUND = AssociationTest(
    "Who is near to career?", "race", "career", "family", (("unknown", 7),), None,
    (group("a", -0.81, "signal"), group("b", 0.1, "no signal", 0.7), group("c <i>", 0.2, "no signal", 0.4)), 9999,
)  # fmt: skip
NONE = replace(FOUND, groups=FOUND.groups[1:])
WITHOUT = replace(FOUND, reason=Note("gallery_few_groups", {"images": 30}), groups=())


def records():
    """Return analyses that fill every part of the section."""
    return FOUND, replace(FOUND, second=""), WITHOUT


def report(*tests):
    return samples.results(samples.fairface().with_analyses({"associations": tests}))


def words(results):
    return " ".join(text_of(render(results)).split())


@pytest.mark.slow
def test_the_farthest_group_is_said_with_the_words_that_it_is_nearer_to():
    page = words(report(FOUND))
    said = (
        "1 of 3 associations (each group against the rest; false discovery rate 5 %) is beyond chance. Most significant: a (n = 60) are "
        "closer to ‘family’ than to ‘career’, compared with the rest: d = −0.81; in 19 of 20 shuffles −0.25 to 0.25 (adjusted p = .0030)."
    )
    assert said in page
    assert "By race: ‘career’ against ‘family’" in page
    assert "Left out, with fewer than 30 images or an unknown value: unknown (7)." in page
    for text in (audit_lines(report(FOUND)), summary_markdown(report(FOUND))):
        assert "Not planned: 1 of 3 associations" in " ".join(text.split())


@pytest.mark.slow
def test_the_chart_has_a_row_a_group_the_nearest_to_the_first_words_first():
    html = render(report(FOUND))
    section = html[html.index("Which groups are close to which words</h3>") :]
    section = section[: section.index("</section>")]
    assert re.findall(r'<th scope="row">([^ ]+(?: &lt;i&gt;)?) <span', section) == ["c &lt;i&gt;", "b", "a"]
    assert "−1, ‘family’" in section
    a = section[section.index(">a <span") :]
    cells = [cell.strip() for cell in re.findall(r"<td data-of=\"[^\"]*\">([^<]*)", a)[:4]]
    assert cells == ["−0.81", "−0.25 to 0.25", "−0.081", ".0030"]


def test_where_nothing_is_beyond_chance_only_the_page_says_so_and_never_that_it_is_fair():
    results = report(NONE)
    said = "None of 2 associations (each group against the rest; false discovery rate 5 %) is beyond chance: it is undecided whether "
    assert f"{said}groups differ." in words(results)
    assert "association" not in audit_lines(results)
    assert "associations" not in summary_markdown(results)


def concepts(*signalling):
    """Thirty words of which two groups are as near, but for those named: of "a" d is −0.81."""
    near, far, rest = group("a", 0.1, "no signal", 0.7), group("a", -0.81, "signal"), group("b", 0.0, "no signal", 0.9)
    return tuple(
        replace(FOUND, question="Who is near?", first=f"word {i}", second="", groups=(far if i in signalling else near, rest))
        for i in range(30)
    )


@pytest.mark.slow
def test_words_by_themselves_have_one_chart_of_the_farthest_and_a_table_of_all():
    html = render(report(*concepts(7)))
    page = " ".join(text_of(html).split())
    assert "1 of 60 associations (each group against the rest; false discovery rate 5 %) is beyond chance." in page
    assert "Most significant: a (n = 60) are less close to ‘word 7’ than the rest: d = −0.81; in 19 of 20 shuffles" in page
    assert "Who is near? By race: 1 of 60 associations of a word with a group beyond chance." in page
    assert "C-ASC (So-B-IT)" in page
    assert "WEAT" not in page
    section = html[html.index("Which groups are close to which words</h3>") :]
    section = section[: section.index("</section>")]
    assert section.count("<svg") == 10  # of 60 pairs of word and group
    table = section[section.index("Every word and group") :]
    assert table.count('<th scope="row">') == 30
    assert "−0.81 (.0030)" in table
    both = " ".join(text_of(render(report(FOUND, *concepts()))).split())
    assert "WEAT" in both
    assert "C-ASC (So-B-IT)" in both
    assert "By race: single words · none beyond chance" in both


def test_what_is_not_estimable_says_why():
    page = words(report(WITHOUT))
    assert "By race: ‘career’ against ‘family’: not estimable, because fewer than two groups have at least 30 images." in page


def test_a_group_that_does_not_vary_has_no_mark_and_no_number():
    flat = replace(group("a", 0.0, "no signal", 1.0), effect_size=None, chance=None)
    assert "a n = 60 not estimable" in words(report(replace(FOUND, groups=(flat,)))).replace("\u00a0", " ")


@pytest.mark.slow
def test_the_table_has_a_row_a_group_and_other_audits_have_no_such_file():
    lines = csv_tables(report(FOUND))["association.csv"].splitlines()
    row = dict(zip(lines[0].split(","), lines[1].split(","), strict=True))
    assert len(lines) == 4
    assert (row["group"], row["first"], row["effect_size"], row["chance_low"], row["verdict"]) == (
        "a",
        "career",
        "-0.81",
        "-0.25",
        "signal",
    )
    assert "association.csv" not in csv_tables(samples.results(samples.fairface()))
    assert "Which groups are close to which words" not in render(samples.results(samples.fairface()))
