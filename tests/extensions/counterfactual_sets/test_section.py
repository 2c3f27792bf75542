"""The section of counterfactual sets: its sentences, its charts, its table, and what is shown without a judgement."""

import re
from dataclasses import replace

from audit.extensions.counterfactual_sets.record import CounterfactualSets, HarmlessBaseline, HarmlessChange, MemberDifference, MemberPair
from audit.extensions.counterfactual_sets.sentences import _kinds
from audit.records.base import Estimate
from audit.types import Note
from reports.exports.markdown import summary_markdown
from reports.exports.tables import csv_tables
from reports.render import render
from tests.support import report_samples as samples
from tests.support.page_text import text_of

BASE = HarmlessBaseline(
    40, Estimate(0.05, 0.02, 0.11), (HarmlessChange("crop", 80, 8), HarmlessChange("JPEG", 80, 0)), 0.3, 0.0004, 0.0012, "signal"
)
PAIR = MemberPair(
    "man", "woman <i>", 13, 1, Estimate(0.3, 0.14, 0.45), 0.002, 0.004, 0.11, 0.04, 0.18, 0.01, 0.01, "signal"
)  # fmt: skip
FOUND = CounterfactualSets(
    "Who is a boss?", "gender", ("man", "woman <i>"), "boss", "scene", 20, 40, 2, None, 14, Estimate(0.35, 0.2, 0.5),
    Estimate(0.35, 0.2, 0.5), BASE, None, (PAIR,), 9999, 3,
)  # fmt: skip
NONE = replace(
    FOUND,
    harmless=replace(BASE, verdict="no signal", p_adjusted=0.4),
    pairs=(replace(PAIR, verdict="no signal", net_p_adjusted=0.6, shift_p_adjusted=0.7),),
)
FEW = replace(
    FOUND, reason=Note("sets_few_clusters", {"clusters": 10, "needed": 15}), harmless=replace(BASE, verdict=None),
    pairs=(replace(PAIR, verdict=None),), tests=0,
)  # fmt: skip


def records():
    """Return analyses that fill every part of the section."""
    return (replace(FOUND, pairs=(PAIR,) * 8),)


def report(*found):
    return samples.results(samples.fairface().with_analyses({"counterfactual_sets": found}))


def words(results):
    return " ".join(text_of(render(results)).split())


def test_the_clearest_is_said_beside_harmless_changes():
    page = words(report(FOUND))
    assert (
        "In 1 of 3 tests (Holm) answers change more often than after harmless changes, in either direction; 1 shows that one member is "
        "given an answer more often. Most significant: When only gender changes (“Who is a boss?”), 35 % [20, 50] of image" in page
    )
    assert "pairs in 40 sets get different answers; a harmless change alters 5.0 % [2.0, 11.0] of answers (adjusted p = .0012)." in page
    assert "In 1 of 3 tests (Holm) answers change more often" in " ".join(summary_markdown(report(FOUND)).split())


def test_the_chart_shows_flips_beside_harmless_ones_and_the_net_with_its_interval():
    html = render(report(FOUND))
    section = html[html.index("Same scene, another person</h3>") :]
    section = section[: section.index("</section>")]
    assert "Who is a boss?" in section
    assert section.count('class="hole"') == 1
    text = " ".join(text_of(section).split())
    assert "gender: man, woman <i> 35 % [20, 50] 5.0 % [2.0, 11.0] +30.0 .0012 40, 2 incomplete (20 clusters)" in text
    assert "man, woman <i> ‘boss’ +30 [14, 45] 13 1 .0040 +11 [4, 18] .010" in text
    assert "Answers that a harmless change alters" in text
    assert "10 % (8 of 80)" in text


def test_where_nothing_is_beyond_chance_the_page_says_undecided_and_the_summary_nothing():
    page = words(report(NONE))
    assert "None of 3 tests is beyond chance: it is undecided whether the changed attribute matters." in page
    assert "beyond chance" not in summary_markdown(report(NONE))


def test_few_units_are_shown_with_their_n_and_not_judged():
    page = words(report(FEW))
    assert "Nothing is judged here: there are too few sets" in page
    assert "gender: man, woman <i> 40, 2 incomplete (20 clusters) Independent units: 10; fewer than 15 are shown and not judged." in page
    assert "35 % [20, 50] 5.0 % [2.0, 11.0] +30.0 not judged" in page


def test_seven_questions_that_are_not_judged_are_seven_rows_of_a_table():
    """Not seven paragraphs that differ in two words."""
    asked = [replace(FEW, question=f"Who is boss {number}?") for number in range(7)]
    html = render(report(*asked))
    section = html[html.index("Same scene, another person</h3>") :]
    section = section[: section.index("</section>")]
    table = section[section.index("Not judged</caption>") :]

    assert table[: table.index("</table>")].count("<tr>") == 1 + 7
    assert section.count("fewer than 15 are shown") == 7
    assert "<p" not in table[: table.index("</table>")]
    assert "fewer than 15" not in re.sub(r"<table.*?</table>", "", section, flags=re.DOTALL)


def test_sets_of_more_than_two_have_a_test_of_all_members():
    three = replace(FOUND, members=("a", "b", "c"), members_differ=MemberDifference(4.67, 2, 0.1, 0.3, 0.2, 0.3, "no signal"))
    assert "Cochran’s Q" in words(report(three))
    assert "4.7 (2 degrees of freedom)" in words(report(three))


def test_the_table_has_a_row_a_pair_and_other_audits_have_no_such_file():
    lines = csv_tables(report(FOUND))["counterfactual_sets.csv"].splitlines()
    row = dict(zip(lines[0].split(","), lines[1].split(","), strict=True))
    assert len(lines) == 2
    wanted = {"sets": "40", "harmless": "0.05", "net": "0.3", "only_second": "1", "verdict": "signal", "excess_verdict": "signal"}
    assert {name: row[name] for name in wanted} == wanted
    assert "counterfactual_sets.csv" not in csv_tables(samples.results(samples.fairface()))
    assert "Same scene, another person" not in render(samples.results(samples.fairface()))


def test_changes_without_a_direction_do_not_read_as_one():
    """Eight of 120 tests find more changes than harmless ones make, none a direction: that is no finding for or against a member."""
    assert _kinds(8, 0, 120).replace("\u00a0", " ") == (
        "In 8 of 120 tests (Holm) answers change more often than after harmless changes, in either direction; none shows that one member "
        "is given an answer more often."
    )
    assert _kinds(0, 2, 3) == "2 of 3 tests (Holm) show that one member is given an answer more often."
