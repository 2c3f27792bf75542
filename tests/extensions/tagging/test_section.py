"""The section of labels above a threshold: its sentences, its chart, its tables, and what it leaves out."""

import re
from dataclasses import replace

import pytest

from audit.extensions.tagging.record import SweptThreshold, TaggedLabel, Tagging
from audit.extensions.tagging.sentences import label_sentence, probability_sentence, tagging_result
from audit.types import Note
from reports.exports.markdown import summary_markdown
from reports.exports.tables import csv_tables
from reports.exports.terminal.audits import audit_lines
from reports.render import render
from tests.support import report_samples as samples
from tests.support.page_text import text_of


def label(name, counts, verdict, most="Male", least="Female"):
    """Return a label of 100 women and 50 men."""
    shares = {"Female": counts[0] / 100, "Male": counts[1] / 50}
    p = 0.002 if verdict == "signal" else 0.6
    return TaggedLabel(
        name, counts, 9.5 if any(counts) else None, False, most, least, shares[most] - shares[least], 0.05, 0.352, p / 4, p, verdict
    )


LABELS = (label("suit <b>", (10, 15), "signal"), label("bob", (30, 2), "signal", "Female", "Male"), label("sky", (0, 0), "no signal"))
FOUND = Tagging(
    "Who is given what?", "gender", 0.005, "softmax", 100.0, 300, ("Female", "Male"), (100, 50), (("unknown", 7),), None, (0.4, 0.34),
    LABELS, (SweptThreshold(0.001, 3, (2.5, 2.0), 2), SweptThreshold(0.1, 1, (0.1, 0.0), 0)), 9999,
)  # fmt: skip
HIGHER = replace(FOUND, threshold=0.04, sweep=(), labels=LABELS[:1])
NONE = replace(FOUND, labels=LABELS[2:], left_out=())
WITHOUT = replace(FOUND, attribute="age", reason=Note("gallery_few_groups", {"images": 30}), labels=(), sweep=(), per_image=())


def records():
    """Return analyses that fill every part of the section."""
    return FOUND, NONE, WITHOUT


def report(*taggings):
    return samples.results(samples.fairface().with_analyses({"taggings": taggings}))


def words(results):
    return " ".join(text_of(render(results)).replace("\u00a0", " ").split())


def section(results):
    html = render(results)
    start = html.index("Who gets which labels</h3>")
    return html[start : html.index("</section>", start)]


def test_the_most_skewed_label_is_said_with_its_groups_their_shares_and_their_difference():
    said = (
        "Male get ‘suit <b>’ above 0.5 % in 30.0 % of 50 images, Female in 10.0 % of 100 images: a difference of 20.0 points [5.0, 35.2] "
        "(adjusted p = .0020)."
    )
    assert label_sentence(FOUND, LABELS[0]).replace("\u00a0", " ") == said
    page = words(report(FOUND, HIGHER))
    assert "3 of 4 comparisons (each label by each attribute and threshold; false discovery rate 5 %) are beyond chance." in page
    assert f"The most skewed: {said}" in page
    assert "Labels per image, on average: Female 0.4, Male 0.34." in page
    assert "Left out, with fewer than 30 images or an unknown value: unknown (7)." in page


def test_the_chart_groups_labels_by_who_gets_them_most_and_marks_what_is_beyond_chance():
    found = section(report(FOUND, HIGHER))
    assert re.findall(r'<th scope="rowgroup"[^>]*>([^<\n]+)', found)[:2] == ["Most often given to Female", "Most often given to Male"]
    assert re.findall(r'<th scope="row">(bob|suit &lt;b&gt;)', found)[:2] == ["bob", "suit &lt;b&gt;"]
    suit = found[found.index('<th scope="row">suit') :]
    cells = [cell.strip().replace("\u00a0", " ") for cell in re.findall(r"<td data-of=\"[^\"]*\">([^<]*)", suit)[:4]]
    assert cells == ["Male 30.0 %", "Female 10.0 %", "20.0 [5.0, 35.2]", ".0020"]
    assert found.count('class="bar hot"') == 3
    assert found.index("above 0.5") < found.index("<summary>By gender, labels above 4.0")  # further thresholds are folded


def test_bars_are_as_long_as_shares():
    """The scale ends at 30 %: the bar of 30 % runs to its end, 292, that of 10 % a third of the way from 8: 103."""
    suit = section(report(replace(FOUND, labels=LABELS[:1])))
    assert 'd="M8 7H292"' in suit
    assert 'd="M8 17H103"' in suit


def test_the_sweep_is_a_table():
    page = words(report(FOUND))
    assert "By gender: other thresholds" in page
    assert "0.10 % 3 2 2.50 2.00" in page
    assert "10.00 % 1 0 0.10 0.00" in page


def test_where_nothing_is_beyond_chance_the_page_says_so_and_never_that_it_is_fair():
    page = words(report(NONE))
    assert "None of 1 comparison" in page
    assert "it is undecided whether groups get labels unequally often." in page
    assert "By gender, labels above 0.5 % · none beyond chance" in page
    for text in (audit_lines(report(NONE)), summary_markdown(report(NONE))):
        assert "comparison (each label" not in text


def test_a_signal_is_one_line_of_terminal_and_summary():
    for text in (audit_lines(report(FOUND)), summary_markdown(report(FOUND))):
        assert " ".join(text.replace("\u00a0", " ").split()).count("Not planned: 2 of 3 comparisons") == 1


@pytest.mark.slow_except("sigmoid-300 labels, each with its own probability (sigmoid)")
@pytest.mark.parametrize(
    ("rule", "said"),
    [
        (
            "softmax",
            "300 labels have probabilities that add up to 1 (softmax at a logit scale of 100): "
            "if all fitted equally well, each would have 0.33 %.",
        ),
        ("sigmoid", "300 labels, each with its own probability (sigmoid)"),
        ("given", "300 labels in the file"),
    ],
)
def test_what_a_probability_is_stands_on_the_page(rule, said):
    assert probability_sentence(replace(FOUND, rule=rule)).replace("\u00a0", " ").startswith(said)
    assert said in words(report(replace(FOUND, rule=rule)))


def test_labels_of_a_file_have_no_threshold():
    page = words(report(replace(FOUND, rule="given", threshold=None, logit_scale=None, sweep=())))
    assert "Each image has the labels that are in the file." in page
    assert "Male get ‘suit <b>’ in 30.0 % of 50 images" in page
    assert "By gender · " not in page


def test_what_is_not_estimable_says_why():
    assert (
        words(report(WITHOUT, replace(WITHOUT, threshold=0.04))).count(
            "By age: not estimable, because fewer than two groups have at least 30"
        )
        == 1
    )
    assert tagging_result(report(WITHOUT).audits[0], samples.SETTINGS) == "No label is estimable."


def test_the_table_has_a_row_for_each_label_and_group_and_other_audits_have_no_such_file():
    lines = csv_tables(report(FOUND))["tagging.csv"].splitlines()
    assert len(lines) == 1 + 3 * 2
    row = dict(zip(lines[0].split(","), lines[2].split(","), strict=True))
    assert (row["label"], row["group"], row["count"], row["share"], row["most"], row["verdict"]) == (
        "suit <b>",
        "Male",
        "15",
        "0.3",
        "Male",
        "signal",
    )
    assert "tagging.csv" not in csv_tables(samples.results(samples.fairface()))
    assert "Who gets which labels" not in render(samples.results(samples.fairface()))
