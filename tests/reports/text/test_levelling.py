"""A gap that shrank because groups got worse: headline, tags and reason say so, and what it cost over all images.

Of 120 images of each of three groups, those of b are wrong in 60 before: 50 %, against 100 % for a and c.
"""

from dataclasses import replace
from functools import cache

import pytest

from reports.comparison.context import comparison_contexts
from reports.comparison.verdict import view
from reports.exports.markdown import comparison_markdown
from reports.exports.terminal.changes import comparison_lines
from reports.render import render_comparisons
from reports.text.changes import change_tags, comparison_reason, reason
from reports.text.comparison_headline import comparison_sentence, moved_sentences
from tests.support import comparison_samples as samples
from tests.support.page_text import text_of

ACCURACY = "animal/accuracy/group"
LOST, BOTH, GAINED = {"a": 40, "b": 60, "c": 40}, {"a": 30, "b": 30, "c": 30}, {"b": 6}
"""Wrong answers after: a and c got worse; b improved as well; only b improved."""


def compared(after, *, only=ACCURACY):
    """Return the comparison, of one question alone."""
    return _compared(tuple(after.items()), only)


@cache
def _compared(after, only):
    sides = (("x", {"b": 60}), ("y", dict(after)))
    facts = samples.facts(*((name, samples.result(samples.model(name), wrong)) for name, wrong in sides))
    (comparison,) = facts.comparisons
    changes = tuple(change for change in comparison.changes if change.id == only)
    return replace(facts, comparisons=(replace(comparison, changes=changes),))


def said(after):
    return comparison_sentence(compared(after).comparisons[0], samples.SETTINGS).sentence.replace("\u00a0", " ")


@pytest.mark.slow
def test_the_headline_says_that_groups_got_worse_and_what_it_cost():
    # 300 of 360 are right before; 220 after (−22.2 points), or 270 (−8.3 points).
    assert said(LOST) == (
        "Over all images, animal accuracy fell by 22.2 points (95 % interval 17.8 to 26.4, p < .001). "
        "The gap in animal accuracy by group shrank from 50 to 17 points because 2 groups got worse."
    )
    assert said(BOTH) == (
        "Over all images, animal accuracy fell by 8.3 points (95 % interval 3.2 to 13.4, p = .0021). "
        "The gap in animal accuracy by group shrank from 50 to 0 points, partly because 2 groups got worse."
    )
    assert said(GAINED) == (
        "Over all images, animal accuracy rose by 15.0 points (95 % interval 11.2 to 18.6, p < .001). "
        "The gap in animal accuracy by group shrank from 50 to 5 points."
    )
    # c stays at 100 %: the gap is the same. The 40 that a lost count over all images.
    assert said({"a": 40, "b": 60}) == (
        "Over all images, animal accuracy fell by 11.1 points (95 % interval 7.8 to 14.3, p < .001). "
        "Undecided whether the gap in animal accuracy by group changed."
    )


def test_one_group_that_got_worse_is_named():
    facts = compared(LOST)
    (comparison,) = facts.comparisons
    change = comparison.changes[0]
    still = tuple(replace(cell, p_adjusted=1.0) if cell.before.group == ("c",) else cell for cell in change.by_group)
    alone = replace(comparison, changes=(replace(change, by_group=still),))

    assert "points because a got worse." in comparison_sentence(alone, samples.SETTINGS).headline


@pytest.mark.parametrize(("after", "kind"), [(LOST, "levelled down"), (BOTH, "partly levelled down"), (GAINED, "")])
def test_tags_and_reasons_name_the_kind(after, kind):
    (comparison,) = compared(after).comparisons
    change = comparison.changes[0]
    tags = change_tags(change, samples.SETTINGS.alpha)

    assert [tag for tag in tags if "levelled" in tag] == [kind] * bool(kind)
    assert (f"{kind.capitalize()}: the gap" in reason(change, comparison, samples.SETTINGS)) == bool(kind)
    assert comparison_reason(comparison, samples.SETTINGS).endswith(f"Of those that shrank, 1 is {kind}." if kind else "1 shrank.")


def test_a_gap_that_shrank_says_whether_by_more_than_the_tolerance_as_one_that_grew_does():
    (comparison,) = compared(GAINED).comparisons
    change = comparison.changes[0]

    assert change_tags(change, 0.05) == ("exceeds the tolerance",)
    for direction in ("grew", "shrank"):
        undecided = replace(change, direction=direction, beyond_tolerance=False)
        assert change_tags(undecided, 0.05) == ("may be within the tolerance",)


def test_if_neither_side_is_better_no_group_got_worse():
    (comparison,) = compared(BOTH).comparisons
    neither = replace(comparison, changes=(replace(comparison.changes[0], better="neither"),))
    text = comparison_sentence(neither, samples.SETTINGS).sentence

    assert "worse" not in text
    assert text.startswith("Over all images, animal accuracy fell by 8.3")
    assert (
        moved_sentences(neither.changes, neither, samples.SETTINGS)[0].replace("\u00a0", " ")
        == "a and c fell by 25 points; b rose by 25 points."
    )


def test_every_gap_of_the_headline_says_who_got_worse():
    """The second gap that a headline names was without a word about its groups."""
    facts = compared(BOTH)
    (comparison,) = facts.comparisons
    shrank = comparison.changes[0]
    grew = replace(shrank, id="other", direction="grew", attributes=("size",))
    both = replace(comparison, changes=(shrank, grew), direction="mixed")
    details = view(comparison_contexts(replace(facts, comparisons=(both,)))[0]).details

    assert [text.replace("\u00a0", " ") for text in details] == [
        "By size: a and c got worse by 25 points; b improved by 25 points.",
        "By group: a and c got worse by 25 points; b improved by 25 points.",
    ]


def test_page_terminal_and_summary_say_what_it_cost():
    facts = compared(BOTH)

    for text in (text_of(render_comparisons(facts)), comparison_lines(facts), comparison_markdown(facts)):
        assert "partly because 2 groups got worse." in " ".join(text.split())
        assert "Over all images, animal accuracy fell by 8.3 points (95 % interval 3.2 to 13.4, p = .0021)." in " ".join(text.split())


@pytest.mark.slow
def test_a_loss_over_all_images_is_named_though_no_gap_changed():
    """All groups lose a third: no gap, no change of it, and a model that nobody would want."""
    text = said({"a": 40, "b": 100, "c": 40})

    assert text.startswith("Over all images, animal accuracy fell by 33.3 points (95 % interval")
