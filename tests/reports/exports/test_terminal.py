"""An audit on a terminal: verdict and headline first, one line per question, within its columns, colours and characters."""

import re
import unicodedata
from dataclasses import replace
from pathlib import Path

import pytest

from audit.cli.screen import Screen
from audit.records.finding import LeadingPair
from audit.types import Note, Settings
from reports.exports.terminal.audits import audit_lines
from reports.exports.terminal.changes import comparison_lines
from reports.exports.terminal.lines import MARKS, fit, row_of, wrapped
from reports.text import comparison as comparison_text
from reports.text.headline import headline_of
from tests.support import comparison_samples
from tests.support import report_samples as samples

PLAIN, WIDE = Screen(), Screen(100)
REPORTS = Path(__file__).parents[3] / "reports"


def columns(line):
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in line)


def printed(*audits, screen=PLAIN, **options):
    return audit_lines(samples.results(*audits), screen, **options)


def joined(text):
    return " ".join(text.split())


def test_verdict_and_headline_are_first_and_printed_once_and_a_question_is_a_line():
    audit = samples.emoji()
    said = headline_of(audit, Settings()).text.replace("\u00a0", " ")
    lines = printed(audit).splitlines()

    assert lines[:2] == ["emoji/ckpt.pt · emoji · 300 images", "▲ Disparity · 1 of 2 planned questions"]
    assert joined(printed(audit)).startswith(f"{' '.join(lines[:2])} {said} ")
    assert joined(printed(audit)).count(said) == 1
    assert printed(audit).count("▲ Disparity") == 1
    table = [line for line in lines if " by " in line and "[" in line]
    assert re.fullmatch(r"▲ Role accuracy by gender  26 \[14, 38\] +woman 72 %, man 98 %", table[0])
    assert [line[0] for line in table] == ["▲", "?"]
    assert any(line.startswith("No signal in 5 exploratory comparisons: at best, only a difference above") for line in lines)


def test_signals_are_at_most_three_and_marked_as_not_planned():
    audit = samples.fairface()
    many = tuple(replace(finding, verdict="signal") if not finding.primary and finding.gap else finding for finding in audit.findings)
    text = printed(replace(audit, findings=many))

    assert len(re.findall(r"\n◆ [^\n]+ by ", text)) == 3
    assert text.index("Not planned: ") < text.index("◆")
    assert "more exploratory comparisons: see the report" in text


def test_what_a_rule_left_out_stands_on_the_terminal():
    audit = samples.emoji()
    note = Note("attributes_by_rule_of_several", {"attributes": ("a",), "levels": 50, "others": ("'city' (60 levels)",)})
    text = joined(printed(replace(audit, data=replace(audit.data, notes=(*audit.data.notes, note)))))

    assert "Disparity · 1 of 2 planned questions, without 'city' (60 levels)" in text
    assert "Columns left out by default: 'city' (60 levels)." in text


@pytest.mark.slow_except("False-False-40", "False-False-100")
@pytest.mark.parametrize("width", [40, 60, 80, 100])
@pytest.mark.parametrize("ascii_only", [False, True])
@pytest.mark.parametrize("verbose", [False, True])
def test_no_line_is_wider_than_the_screen(width, ascii_only, verbose):
    wide = samples.mapped(samples.results(samples.fairface(), samples.emoji()), lambda text: "日本語の長い名前\x1b[31m\u202e" + text)
    text = audit_lines(wide, Screen(width, ascii=ascii_only), verbose=verbose)

    assert max(map(columns, text.splitlines())) <= width
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert text.isascii() is ascii_only


@pytest.mark.parametrize("width", [40, 80, 100])
@pytest.mark.parametrize("verbose", [False, True])
def test_a_long_question_is_wrapped_not_cut(width, verbose):
    """Names of groups, attributes and questions with eight words more, at any width."""
    audit = samples.emoji()
    more = "and of those who are seen beside them"
    text = joined(audit_lines(samples.mapped(samples.results(audit), lambda text: f"{text} {more}"), Screen(width), verbose=verbose))
    assert "…" not in text
    plain = printed(audit, verbose=verbose)
    assert len([word for word in text.split() if word == "beside"]) > 5 > len([word for word in plain.split() if word == "beside"])


def test_cells_go_on_below_in_their_own_columns():
    cells = [("who is seen beside whom", 10), ("26 [14, 38]", 11), ("woman 72\u00a0%, man 98\u00a0%", 12)]
    lines = row_of(cells, PLAIN, 2)
    assert lines[:2] == ["who is      26 [14, 38]  woman 72\u00a0%,", "seen                     man 98\u00a0%"]
    assert lines[2:] == ["beside", "whom"]


def test_a_number_stays_with_its_unit():
    assert wrapped("a gap of 13.4\u00a0points here", 16) == ["a gap of", "13.4\u00a0points here"]
    assert fit("whatever the race", 12) == "whatever th…"
    assert fit("日本語", 5) == "日本…"


def test_colours_are_ansi_of_marks_and_verdicts_and_change_no_width():
    plain, coloured = (printed(samples.emoji(), screen=Screen(80, colours)) for colours in (False, True))

    assert "\x1b[31m▲\x1b[0m Role accuracy by gender" in coloured
    assert "\x1b[33m?\x1b[0m Role accuracy by tone" in coloured
    assert coloured.splitlines()[1] == "\x1b[31m▲\x1b[0m \x1b[31mDisparity · 1 of 2 planned questions\x1b[0m"
    assert re.sub(r"\x1b\[\d+m", "", coloured) == plain


def test_ascii_has_its_own_marks():
    text = printed(samples.emoji(), screen=Screen(ascii=True))

    assert text.isascii()
    assert "\n! Role accuracy by gender" in text
    assert "\n? Role accuracy by tone" in text
    assert "\n* " in printed(samples.fairface(), screen=Screen(ascii=True))
    assert "emoji/ckpt.pt - emoji - 300 images" in text


def test_a_narrow_screen_has_gap_and_groups_on_a_line_of_their_own():
    text = printed(samples.fairface(), screen=Screen(60))

    assert re.search(r"\n▲ [^\n\[]+ by race\n  [\d.]+ \[[\d.]+, [\d.]+\] +\w", text)


def test_verbose_is_a_table_with_n_and_what_chance_gives():
    lines = printed(samples.emoji(), verbose=True).splitlines()
    place = next(i for i, line in enumerate(lines) if line.startswith("metric by attribute"))

    assert re.fullmatch(r"Role accuracy by gender +disparity", lines[place + 3])
    assert re.fullmatch(r"  woman 72 % \(100\), man 98\.0 % \(100\) +26 \[14, 38\] +1[01]", lines[place + 4])


def test_the_terminal_counts_what_it_leaves_out():
    audit = samples.fairface()
    more = replace(audit, findings=tuple(replace(finding, primary=True) for finding in audit.findings))
    judged = sum(each.gap is not None for each in more.findings)

    assert f"and {judged - 15} more questions: see the report" in printed(more)


def test_what_cannot_be_estimated_is_one_line():
    audit = samples.emoji()
    only = tuple(replace(finding, primary=True) for finding in audit.findings if finding.gap is None)

    assert "\n⊘ 1 question: fewer than two groups with 30 images that count\n" in printed(replace(audit, findings=only))
    assert "fewer than two groups" not in printed(audit)


def test_of_several_audits_every_headline_is_printed_once_below_its_name():
    text = joined(printed(samples.emoji(), samples.fairface()))

    assert text.count("▲ Disparity") == 2
    assert re.search(r"emoji/ckpt.pt · emoji · [^▲]* ▲ Disparity · .* ckpt.pt · fairface · [^▲]* ▲ Disparity · ", text)


@pytest.mark.slow
def test_the_marks_are_the_icons_of_the_pages():
    """The icons of audits, then those of comparisons, whose pages have those of audits, too."""
    icons = [
        symbol for page in ("base", "comparison") for symbol in re.findall(r'id="i-([\w-]+)"', (REPORTS / page / "icons.html").read_text())
    ]

    assert {verdict.replace(" ", "-") for verdict in MARKS} == set(icons)
    assert len(set(MARKS.values())) == len({Screen(ascii=True).characters(sign) for sign in MARKS.values()} - {"-"}) + 2  # – and ⊘
    for facts in (comparison_samples.skewed_and_plain(), comparison_samples.four_steps()):
        lines = comparison_lines(facts).splitlines()
        place = next(place for place, line in enumerate(lines) if " against " in line)
        outcome = comparison_text.outcome(facts.comparisons[0])
        place = next(after for after, line in enumerate(lines[place:], place) if line.startswith(MARKS[outcome]))
        assert lines[place].startswith(f"{MARKS[outcome]} {comparison_text.VERDICTS[outcome].word}")
        shown = [line.split()[0] for line in lines[place + 2 :] if re.search(r" by .* · ", line)]
        changes = sorted((change for change in facts.comparisons[0].changes if change.primary), key=comparison_text.by_weight)
        assert shown == [MARKS[comparison_text.outcome(change)] for change in changes]


@pytest.mark.slow
def test_a_limited_run_says_so_and_nothing_is_called_fair_or_passed():
    assert joined(printed(samples.fairface(limited=True))).count("LIMITED RUN") == 1
    text = printed(samples.fairface(), samples.emoji())
    assert not re.search(r"\bfair\b|\bpass(ed)?\b", text, re.IGNORECASE)


def test_an_equivalence_whose_interval_reaches_beyond_the_tolerance_says_by_which_rule():
    audit = samples.emoji()
    close = replace(audit.findings[0], verdict="equivalent")
    pair = LeadingPair(("woman",), ("man",), 0.01, -0.021, 0.052, 0.03)
    close = replace(close, gap=replace(close.gap, value=0.01, low=0.0, high=0.052, equivalence_bound=0.049, leading=pair))
    text = joined(printed(replace(audit, findings=(close, *audit.findings[1:]))))

    assert "≈ Role accuracy by gender 1.0 [−2.1, 5.2]" in text
    assert "Every pair passes the equivalence test (±5 points), which is less strict than the joint interval shown." in text
    inside = replace(close, gap=replace(close.gap, high=0.049))
    assert "equivalence test" not in printed(replace(audit, findings=(inside, *audit.findings[1:])))
