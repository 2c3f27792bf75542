"""Who is called what, on the page and on the terminal: every sentence in every case in which it appears."""

import csv
import io
import math
from dataclasses import replace

import pytest

from audit.extensions.words import sentences as text
from audit.extensions.words.exports import caption_words_csv, caption_words_lines
from audit.extensions.words.page import MOST_ROWS, caption_words_page, log_ticks, word_shares, words_chart
from audit.extensions.words.record import CaptionGroup
from tests.extensions.words.samples import DOCTOR, NURSE, PILOT, THIEF, both, facts, ratio


def plain(words):
    return " ".join(words.replace("\u00a0", " ").split())


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (facts(*NURSE, *DOCTOR), "1 of 2 words is used more often, or less often, for one group than for the other."),
        (facts(*NURSE, *DOCTOR, *THIEF), "2 of 3 words are used more often, or less often, for one group than for the other."),
        (facts(*NURSE), "1 of 1 word is used more often, or less often, for one group than for the other."),
        (facts(*DOCTOR), "No difference between the groups was detected in the use of ‘doctor’."),
        (facts(*DOCTOR, *PILOT), "No difference between the groups was detected in the use of 2 words."),
        (
            facts(ratio("nurse", "a", low=0.1), ratio("nurse", "b"), ratio("nurse", "c", low=-2, high=-1), groups=("a", "b", "c")),
            "1 of 1 word is used more often, or less often, for one group than for the others.",
        ),
    ],
)
def test_the_headline_counts_the_words_that_differ(made, said):
    assert text.words_headline(made) == said
    assert said in caption_words_page(made)
    assert plain(said) in plain(caption_words_lines(made))


def test_what_the_intervals_hold_for_is_said():
    assert text.correction(facts(*NURSE)) == "The interval has a level of 95 %."
    assert text.correction(facts(*NURSE, *DOCTOR, alpha=0.1)).startswith("The intervals hold for all 2 ratios together (90 %, Bonferroni).")


def test_the_source_of_the_groups_is_said():
    columns = facts(*NURSE, left_out=(CaptionGroup("no group", 3, 4),))
    assert text.groups_sentence(columns) == "The groups are those of gender in the data. Not compared: 3 images with no group."
    left_out = CaptionGroup("no group", 1, 4), CaptionGroup("several groups", 2, 2)
    captions = facts(*NURSE, attribute="", group_words=(("woman", ("woman", "she")), ("man", ("man",))), left_out=left_out)
    assert text.groups_sentence(captions) == (
        "The groups come from the captions: an image belongs to a group if its captions contain words of that group and of no other: "
        "woman (woman, she); man (man). Not compared: 1 image with no group in the captions and 2 images with several groups in the "
        "captions."
    )
    assert text.limits(columns)[-1] != text.limits(captions)[-1]
    assert "data.groups" in text.limits(captions)[-1]


def test_words_in_no_caption_are_named():
    assert text.absent(facts(*NURSE)) == ""
    assert text.absent(facts(*NURSE, *PILOT)) == "1 word is in no caption of these groups: pilot."
    many = [one for i in range(7) for one in both(f"w{i}", 0.0, 0.0, None, None)]
    assert text.absent(facts(*NURSE, *many)) == "7 words are in no caption of these groups: w0, w1, w2, w3, w4 and 2 more."
    nothing = facts(*PILOT)
    assert words_chart(nothing).rows == ()
    assert "1 word is in no caption of these groups: pilot." in caption_words_page(nothing)
    assert "ratio [interval]" not in caption_words_lines(nothing)


def test_rows_are_ordered_by_evidence_and_one_per_word_for_two_groups():
    made = facts(*DOCTOR, *NURSE, *PILOT, *THIEF)
    assert [(one.word, one.group) for one in text.by_evidence(made)] == [("thief", "woman"), ("nurse", "woman"), ("doctor", "woman")]
    chart = words_chart(made)
    assert [row.name for row in chart.rows] == ["thief", "nurse", "doctor"]
    assert chart.columns == ("woman", "man", "Ratio [interval]")
    assert chart.ends == ("4 × for man", "4 × for woman")  # nurse: .2 / .05
    cells = {row.name: tuple(map(plain, row.cells)) for row in chart.rows}
    assert cells["nurse"] == ("20 %", "5.0 %", "4 [2.01, 8.17]")
    assert cells["thief"] == ("0 %", "10 %", "never woman, at most 0.407")


def test_with_more_groups_every_group_has_its_rows():
    made = facts(*(ratio("nurse", name) for name in "abc"), groups=tuple("abc"))
    chart = words_chart(made)
    assert [(row.name, row.note) for row in chart.rows] == [("nurse", "a"), ("nurse", "b"), ("nurse", "c")]
    assert chart.columns == ("In the group", "In all other groups", "Ratio [interval]")
    assert chart.ends == ("1/2", "2 times as often")


def test_many_words_and_groups_are_cut_and_the_file_has_all():
    groups = tuple(f"group {i}" for i in range(300))
    made = facts(*(ratio(f"w{word}", group) for word in range(3) for group in groups), groups=groups)
    chart = words_chart(made)
    assert (len(chart.rows), "The next 860 rows are in words.csv." in chart.caption) == (MOST_ROWS, True)
    table = word_shares(made)
    assert (len(table.columns), "words.csv has all" in table.caption) == (11, True)
    assert len(caption_words_page(made)) < 600_000
    assert len(list(csv.reader(io.StringIO(caption_words_csv(made))))) == 901


@pytest.mark.parametrize(
    ("factors", "powers"),
    [((), (-1, 0, 1)), ((2.0,), (-1, 0, 1)), ((5.0,), range(-3, 4)), ((1 / 30,), range(-6, 7, 2)), ((1e6,), range(-6, 7, 2))],
)
def test_the_scale_ends_at_a_power_of_two_and_at_64(factors, powers):
    ticks = log_ticks([ratio("w", rate=min(factor, 1) * 1e-7, others=1e-7 / max(factor, 1)) for factor in factors])
    assert [round(tick / math.log(2)) for tick in ticks] == list(powers)


def test_the_file_has_both_intervals_and_is_safe_in_a_spreadsheet():
    made = facts(*both("=1+1", 0.0, 0.25, None, -0.5), *NURSE)
    rows = list(csv.DictReader(io.StringIO(caption_words_csv(made))))
    assert rows[0]["word"] == "'=1+1"
    assert (rows[0]["log_ratio"], rows[0]["low"], rows[0]["high"], rows[0]["group_captions"]) == ("", "", "-0.5", "120")
    assert (float(rows[2]["log_ratio"]), float(rows[2]["low_adjusted"])) == (pytest.approx(math.log(4)), 0.7)
    assert list(rows[0]) == [
        *("word", "group", "events", "images", "rate", "rate_others", "log_ratio", "low", "high", "low_adjusted", "high_adjusted"),
        *("group_captions", "group_images"),
    ]


def test_names_from_the_data_cannot_change_the_page():
    hostile = "<script>alert(1)</script>\u202e"
    own = tuple(replace(one, group=hostile if one.group == "woman" else "man") for one in both(hostile, 0.2, 0.1, 0.1, 1.0))
    page = caption_words_page(facts(*own, source=hostile, attribute=hostile, groups=(hostile, "man")))
    assert ("&lt;script" in page, "<script" in page, "\u202e" in page) == (True, False, False)


def test_a_limit_that_says_nothing_is_not_printed():
    """e to the power of -120 has 52 zeros behind the point."""
    only, never = (
        ratio("doctor", "man", rate, others, low, high) for rate, others, low, high in ((0.1, 0, -120, None), (0, 0.1, None, 120))
    )
    assert (text.ratio_text(only), text.ratio_text(never)) == ("only man", "never man")
    assert plain(text.ratio_text(ratio("doctor", "man", 0.1, 0, -1, None))) == "only man, at least 0.368"
