"""The short forms: a Markdown text of at most 60 lines that no name can turn into markup, and lines of at most 80 columns."""

import re
import unicodedata
from dataclasses import replace

import pytest

from audit.types import Note
from reports.exports.markdown import summary_markdown
from reports.exports.terminal import audit_lines
from tests.support import report_samples as samples
from tests.support import what_if_samples as tried


def columns(line):
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in line)


def test_the_summary_says_verdict_skew_table_and_sentences():
    text = summary_markdown(samples.results(samples.emoji()))

    assert text.startswith(
        "## Audit of emoji/ckpt.pt with the emoji probe\n\n**Disparity.** In 1 of 2 pre-specified questions, answers agree"
    )
    assert "**Known from the checkpoint:** Trained on 3953 emoji drawings" in text
    assert "| disparity | Occupation accuracy by gender | man 98.0 % (100) | woman 72 % (100) | 26 points \\[14, 38\\] | 1" in text
    assert "\n- Occupation accuracy is 72 % \\[63, 80\\] for woman (n = 100) against" in text
    assert "Not tested: photographs and people;" in text
    assert "`9c41d2aa7e03`" in text


@pytest.mark.parametrize("audits", [1, 2, 3, 6])
def test_the_summary_stays_within_sixty_lines(audits):
    text = summary_markdown(samples.results(*[samples.fairface()] * audits))

    assert len(text.splitlines()) <= 60
    assert ("10 of 16 questions." in text) is (audits == 1)


def test_a_name_cannot_become_markup():
    hostile = samples.mapped(
        samples.results(samples.emoji()), lambda text: "[x](https://e.example)|<b>@you`*_# \n- y $z$ www.e.example" + text
    )
    text = summary_markdown(hostile)
    table = [line for line in text.splitlines() if line.startswith("| ")]

    assert {len(re.findall(r"(?<!\\)\|", line)) for line in table} == {8}
    assert not re.search(r"(?<!\\)\[x|<b>|@you|https://|www\.|(?<!\\)\$z", text)
    assert len(text.splitlines()) <= 60


def test_a_limited_run_says_so_in_both_forms():
    results = samples.results(samples.fairface(limited=True))

    assert "**LIMITED RUN.**" in summary_markdown(results)
    said = " ".join(audit_lines(results).split())
    assert said.count("LIMITED RUN: a sample of the images settles nothing.") == said.count("LIMITED RUN") == 1


def test_the_terminal_shows_metric_attribute_groups_gap_chance_and_status():
    lines = audit_lines(samples.results(samples.emoji())).splitlines()

    assert lines[0] == "emoji/ckpt.pt · emoji · 300 images"
    assert re.fullmatch(r"Occupation accuracy by gender +disparity", lines[5])
    assert re.fullmatch(r"  woman 72 % \(100\), man 98\.0 % \(100\) +26 \[14, 38\] +1[01]", lines[6])
    assert "Not planned: 1 of 3 exploratory comparisons shows a signal" in lines[10]
    assert re.fullmatch(r"Tone accuracy by gender +signal", lines[13])
    assert "and 2 more exploratory comparisons: see the report" in lines
    assert " ".join(lines[-6:-3]).startswith(
        "Disparity. In 1 of 2 pre-specified questions, answers agree with the labels less often for woman than for man, by more than "
        "chance explains: occupation accuracy by gender."
    )


def test_the_terminal_never_takes_more_than_eighty_columns():
    wide = samples.mapped(samples.results(samples.fairface(), samples.emoji()), lambda text: "日本語の長い名前\x1b[31m\u202e" + text)
    text = audit_lines(wide)

    assert max(map(columns, text.splitlines())) <= 80
    assert "\x1b" not in text
    assert "\u202e" not in text


def test_the_terminal_counts_what_it_leaves_out_and_says_where_what_ifs_stand():
    audit = samples.fairface()
    more = replace(audit, findings=tuple(replace(finding, primary=True) for finding in audit.findings))

    assert "and 50 more questions: see the report" in audit_lines(samples.results(more))

    audit = replace(samples.emoji(), what_ifs=(tried.asked(), tried.asked(question=Note.of("None"), target=None, other_attributes=())))
    assert "and what-ifs to 2 questions: see the report" in audit_lines(samples.results(audit)).splitlines()
    assert "what-if" not in audit_lines(samples.results(samples.emoji()))


def test_what_cannot_be_estimated_has_a_line_without_numbers():
    audit = samples.emoji()
    only = tuple(replace(finding, primary=True) for finding in audit.findings if finding.gap is None)

    text = audit_lines(samples.results(replace(audit, findings=only)))
    assert re.search(r"Occupation accuracy by gender × tone +not estimable\nA question without groups below it has", text)
    assert "below it has fewer than two with at least 30 images (--min-group-size)." in text.replace("\n", " ")
    assert "A question without groups" not in audit_lines(samples.results(audit))
    assert "| not estimable | Occupation accuracy by gender × tone |" in summary_markdown(samples.results(replace(audit, findings=only)))


def test_nothing_is_called_fair_or_passed():
    results = samples.results(samples.fairface(), samples.emoji())

    assert not re.search(r"\bfair\b|\bpass(ed)?\b", summary_markdown(results) + audit_lines(results), re.IGNORECASE)
