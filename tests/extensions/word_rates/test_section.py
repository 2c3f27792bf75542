"""The section of word rates: its sentences, its chart, its table, and what it leaves out."""

from dataclasses import replace

import pytest

from audit.analyses.records import ChanceBand
from audit.extensions.word_rates.record import WordRate, WordRates
from audit.types import Note
from reports.exports.markdown import summary_markdown
from reports.exports.tables import csv_tables
from reports.exports.terminal.audits import audit_lines
from reports.render import render
from tests.support import report_samples as samples
from tests.support.page_text import text_of


def rate(kind, word, means, chance, verdict, p=0.004):
    return WordRate(kind, word, means, "a", means[0] - means[1], means[0] - means[1] - 0.1, 0.5, ChanceBand(*chance), p, p, verdict)


LENGTH = rate("length", "", (12.5, 9.0), (10.4, 9.9, 10.9), "no signal", 0.3)
NURSE = rate("word", "nurse <i>", (0.5, 0.25), (0.35, 0.28, 0.42), "signal")
PLAIN = rate("word", "plain", (0.2, 0.2), (0.2, 0.1, 0.3), "no signal", 0.9)
REFUSAL = rate("refusal", "", (0.0, 0.0), (0.0, 0.0, 0.0), "no signal", 1.0)
FOUND = WordRates(
    "Which words are used about whom?", "resume", "race", ("a", "b"), (40, 60), (("unknown", 7),), 0.02, None,
    (LENGTH, REFUSAL, NURSE, PLAIN), 9999,
)  # fmt: skip
NONE = replace(FOUND, rates=(LENGTH, PLAIN))
WITHOUT = replace(FOUND, reason=Note("gallery_few_groups", {"images": 30}), rates=())


def records():
    """Return analyses that fill every part of the section."""
    return FOUND, WITHOUT


def report(*rates):
    return samples.results(samples.fairface().with_analyses({"word_rates": rates}))


def words(results):
    return " ".join(text_of(render(results)).split())


def test_the_farthest_word_is_said_with_its_group_what_others_have_and_what_chance_gives():
    said = (
        "1 of 4 rates (every word and trait after each prompt, by each attribute; error rate 5 % for all of them together) is beyond "
        "chance. Most significant: 50 % of the texts about a (n = 40, prompt ‘resume’) use ‘nurse <i>’, 25 % of those about all others; "
        "in 19 of 20 shuffles 28–42 % (adjusted p = .0040)."
    )
    page = words(report(FOUND))
    assert said in page
    assert "By race, after ‘resume’: 2 words in at least 2 % of 100 texts; 1 of 4 rates beyond chance." in page
    assert "nurse <i> a 50 % 28–42 % +25 [15, 50] .0040" in page
    assert "Left out, with fewer than 30 images or an unknown value: unknown (7)." in page
    assert "words per text 12.5 9.0 .30" in page
    assert "a refusal 0 % 0 % 1" in page
    for text in (audit_lines(report(FOUND)), summary_markdown(report(FOUND))):
        assert "Not planned: 1 of 4 rates" in " ".join(text.split())


def test_a_length_is_said_in_words():
    page = words(report(replace(FOUND, rates=(replace(LENGTH, verdict="signal", p_adjusted=0.01),))))
    assert (
        "The length of the texts about a (n = 40, prompt ‘resume’): 12.5 words, 9.0 about all others; in 19 of 20 shuffles 9.9 to 10.9"
        in page
    )


@pytest.mark.slow
def test_where_nothing_is_beyond_chance_only_the_page_says_so_and_never_that_it_is_fair():
    results = report(NONE)
    assert "is beyond chance: it is undecided whether texts about groups differ." in words(results)
    assert "By race, after ‘resume’ · none beyond chance" in words(results)
    assert "after each prompt" not in audit_lines(results)


def test_what_is_not_estimable_says_why():
    assert "By race, after ‘resume’: not estimable, because fewer than two groups have at least 30 images." in words(report(WITHOUT))


@pytest.mark.slow
def test_the_table_has_a_row_a_rate_and_group_and_other_audits_have_no_such_file():
    lines = csv_tables(report(FOUND))["word_rates.csv"].splitlines()
    row = dict(zip(lines[0].split(","), lines[5].split(","), strict=True))
    assert len(lines) == 1 + 2 * 4
    assert (row["word"], row["group"], row["texts"], row["mean"], row["stands_out"], row["verdict"]) == (
        "nurse <i>", "a", "40", "0.5", "a", "signal",
    )  # fmt: skip
    assert "word_rates.csv" not in csv_tables(samples.results(samples.fairface()))
    assert "Which words are used about whom" not in render(samples.results(samples.fairface()))
