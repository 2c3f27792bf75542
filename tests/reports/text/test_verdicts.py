"""The first sentence of a report: true for every mix of disparity, inconclusive, equivalent and not estimable."""

import itertools
import re
from collections import Counter
from dataclasses import replace

import pytest

from audit.comparison.verdict import overall
from audit.records.comparison import PairChange
from audit.statistics.verdict import worst
from reports.exports.card import card
from reports.exports.markdown import comparison_markdown, summary_markdown
from reports.exports.model_card import model_cards
from reports.exports.terminal.audits import audit_lines
from reports.exports.terminal.changes import comparison_lines
from reports.render import render
from reports.render import render_comparisons as render_comparison
from reports.text.comparison_headline import comparison_sentence, outcome_counts
from reports.text.headline import headline_of
from tests.support import comparison_samples as changes
from tests.support import report_samples as samples
from tests.support.page_text import text_of

BY_VERDICT = ("disparity", "inconclusive", "equivalent", "not estimable")
BY_CHANGE = ("gap reversed", "gap grew", "gap shrank", "inconclusive", "equivalent", "not estimable")


def audit_of(*verdicts, limited=False):
    """An audit whose planned questions have these verdicts, concluded as audits are; of its context one is a disparity."""
    base = samples.emoji()
    one = base.findings[0]
    counted = [replace(one, id=f"q{i}", verdict=verdict, primary=True) for i, verdict in enumerate(verdicts)]
    found = (*counted, replace(one, id="context", verdict="disparity", primary=False))
    verdict = "inconclusive" if limited else worst(verdicts)
    return replace(base, findings=found, verdict=verdict, data=replace(base.data, limited=limited))


@pytest.fixture(scope="module")
def facts():
    return changes.skewed_and_plain()


def ended(verdict):
    """A gap that changed is a disparity with a direction."""
    changed = verdict.startswith("gap ")
    return {"verdict": "disparity" if changed else verdict, "direction": verdict.removeprefix("gap ") if changed else None}


def comparison_of(facts, *verdicts, limited=False):
    base = facts.comparisons[0]
    one = next(change for change in base.changes if change.gap)
    found = tuple(replace(one, id=f"q{i}", primary=True, **ended(verdict)) for i, verdict in enumerate(verdicts))
    verdict, direction = overall(found)
    return replace(base, changes=found, verdict=verdict, direction=direction, limited=limited)


BY_VERDICT_MIXES = [mix for n in range(4) for mix in itertools.combinations_with_replacement(BY_VERDICT, n)]


@pytest.mark.parametrize("verdicts", BY_VERDICT_MIXES, ids=lambda mix: "+".join(mix) or "nothing")
def test_no_headline_denies_what_was_shown(verdicts):
    """All 35 mixes of up to three questions: whatever is denied of all is true of all, and every count is one that was found."""
    said = headline_of(audit_of(*verdicts), samples.SETTINGS)
    first, kinds, of = said.sentence, set(verdicts), len(verdicts)

    if said.scope.endswith("of 3 planned questions"):
        assert said.scope.startswith(f"{verdicts.count(said.verdict)} ")
    if "No difference that matters" in first:
        assert kinds == {"equivalent"}
    if "no difference that matters in" in first:
        assert first.endswith(f"no difference that matters in {verdicts.count('equivalent')}.")
    if first.startswith(("Too few images to tell", "Undecided")):
        assert "disparity" not in kinds
        open_ = verdicts.count("inconclusive") or of - verdicts.count("equivalent")
        assert open_ == of or f"in {open_} of {of} questions" in first
    assert ("less accurate for woman" in first) == ("disparity" in kinds)
    assert ("Nothing can be compared" in first) == (kinds == {"not estimable"})
    assert ("exploratory" in first) == (not verdicts)


CHANGED = [mix for n in range(4) for mix in itertools.combinations_with_replacement(BY_CHANGE, n)]


@pytest.mark.parametrize("verdicts", CHANGED, ids=lambda mix: "+".join(mix) or "nothing")
def test_no_sentence_about_a_change_denies_what_was_shown(verdicts, facts):
    said = comparison_sentence(comparison_of(facts, *verdicts), changes.SETTINGS).sentence

    changed = {"gap reversed", "gap grew", "gap shrank"} & {*verdicts}

    if said.startswith("No gap"):
        assert set(verdicts) <= {"equivalent", "not estimable"}
        assert ("that can be estimated" in said) == ("not estimable" in verdicts)
    if said.startswith("Undecided whether"):
        assert not changed
        assert "inconclusive" in verdicts
        open_ = verdicts.count("inconclusive")
        assert open_ == len(verdicts) or f"{open_} of {len(verdicts)} gaps changed" in said
    assert ("changed places" in said) == ("gap reversed" in verdicts)
    assert ("by group grew" in said) == ("gap grew" in verdicts)
    # Two clauses at most: of a reversed gap and one that grew, the one that shrank stands in the counts and in its row.
    assert ("by group shrank" in said) == ("gap shrank" in verdicts and len(changed) < 3)
    assert ("Nothing can be compared" in said) == (set(verdicts) == {"not estimable"})
    assert ("exploratory" in said) == (not verdicts)


@pytest.mark.parametrize("verdicts", CHANGED, ids=lambda mix: "+".join(mix) or "nothing")
def test_every_outcome_is_counted_once(verdicts, facts):
    counted = outcome_counts(comparison_of(facts, *verdicts))

    assert {outcome: int(text.split()[0]) for outcome, text in counted} == Counter(verdicts)
    assert [outcome for outcome, _ in counted] == [outcome for outcome in BY_CHANGE if outcome in verdicts]
    assert [" gap" in text for _, text in counted] == [True, False, False][: len(counted)]


def test_the_verdict_of_a_comparison_in_words(facts):
    mixed = comparison_sentence(comparison_of(facts, "inconclusive", "equivalent"), changes.SETTINGS)
    assert (mixed.word, mixed.whole.split(" (")[0].replace("\xa0", " ")) == (
        "Inconclusive between groups", "Over all images, animal accuracy rose by 13.6 points",
    )  # fmt: skip
    assert mixed.of_groups == (
        "Undecided whether 1 of 2 gaps changed. Not changed by more than the tolerance: animal accuracy by group. Larger gaps, if there "
        "were any, still exist."
    )
    both = comparison_sentence(comparison_of(facts, "gap grew", "gap shrank"), changes.SETTINGS)
    assert (
        re.sub(r"from [\d.]+ to \d+(\spoints)?", "…", both.of_groups)
        == "The gap in animal accuracy by group grew …; that by group shrank …."
    )
    assert comparison_sentence(comparison_of(facts, "equivalent"), changes.SETTINGS).headline.replace("\xa0", " ") == (
        "No gap changed by more than the tolerance of 5 points: animal accuracy by group."
    )
    assert comparison_sentence(comparison_of(facts, "inconclusive"), changes.SETTINGS).headline == (
        "Undecided whether the gap in animal accuracy by group changed."
    )
    assert (
        comparison_sentence(comparison_of(facts, "inconclusive", "inconclusive"), changes.SETTINGS).headline
        == "Undecided whether either gap changed."
    )
    assert comparison_sentence(comparison_of(facts), changes.SETTINGS).word == "No verdict"


def test_groups_that_changed_places_are_named_with_the_one_that_is_higher_after(facts):
    """40 of 100 and 60 of 100 before, the other way round after: the gap is 20 points both times, and nobody would know."""
    compared = comparison_of(facts, "gap reversed")
    pair = PairChange(("a",), ("b",), before=-0.2, after=0.2, difference=0.4, low=0.2, high=0.6, low_adjusted=0.1, high_adjusted=0.7,
                      reversed=True)  # fmt: skip
    other = replace(pair, first=("c",), difference=0.3)
    change = replace(compared.changes[0], pairs=(other, pair))

    assert comparison_sentence(replace(compared, changes=(change,)), changes.SETTINGS).headline.startswith(
        "In animal accuracy by group, a and b changed places (a is higher after); the largest gap between two groups went from 50"
    )
    turned = replace(change, pairs=(replace(pair, before=0.2, after=-0.2, difference=-0.4),))
    assert "(b is higher after)" in comparison_sentence(replace(compared, changes=(turned,)), changes.SETTINGS).headline


def test_a_gap_that_shrank_hides_none_that_may_have_grown(facts):
    """+13 points, 1 to 25: undecided after correction. "Gap shrank" alone would be read as good news."""
    compared = comparison_of(facts, "gap shrank", "inconclusive", "inconclusive")
    shrank, grew, little = compared.changes
    grew = replace(grew, gap=replace(grew.gap, difference=0.13, low=0.01, high=0.25, p=0.03, p_adjusted=0.09))
    little = replace(little, gap=replace(little.gap, difference=0.0, low=-0.03, high=0.03, p=0.9, p_adjusted=0.9))
    said = comparison_sentence(replace(compared, changes=(shrank, little, grew)), changes.SETTINGS)

    assert said.word == "Gap shrank; 1 may have grown"
    assert said.sentence.replace("\u00a0", " ").endswith(
        "1 undecided gap may have grown: animal accuracy by group, +13 [1, 25] points (p = .030, corrected .090)."
    )
    alone = comparison_sentence(replace(compared, changes=(shrank, little)), changes.SETTINGS)
    assert (alone.word, "may have grown" in alone.sentence) == ("Gap shrank", False)


def test_a_sample_is_not_said_to_show_nothing(facts):
    """A sample may show a difference; what it cannot do is conclude."""
    assert comparison_sentence(comparison_of(facts, "inconclusive", limited=True), changes.SETTINGS).sentence == (
        "Only a sample of the images was compared: it settles nothing."
    )


def forms(results):
    return [text_of(render(results)), summary_markdown(results), audit_lines(results), card(results), *model_cards(results).values()]


def test_page_summary_terminal_model_card_and_card_say_the_same():
    audit = audit_of("equivalent", "inconclusive")

    said = headline_of(audit, samples.SETTINGS).sentence.replace("\u00a0", " ")

    assert all(said in " ".join(text.split()) for text in forms(samples.results(audit)))


def test_of_what_is_equivalent_every_form_names_the_rate(facts):
    """Equal accuracy says nothing of other rates: a sentence that two groups differ by less than something says in what."""
    results, comparison = samples.results(audit_of("equivalent", "inconclusive")), comparison_of(facts, "inconclusive", "equivalent")
    both = replace(facts, comparisons=(comparison,))
    texts = [*forms(results), text_of(render_comparison(both)), comparison_markdown(both), comparison_lines(both)]
    claimed = [
        each
        for text in texts
        for each in re.split(r"[.:] (?=[A-Z])", " ".join(text.split()))
        if re.search(r"(?:differ|changed) by less than|changed by more than (?:the|its) tolerance|lies inside ±", each)
    ]

    assert len(claimed) > len(texts)
    assert [each for each in claimed if not re.search("accuracy|tested rate", each)] == []


def test_of_many_rates_that_are_equivalent_three_are_named():
    base = audit_of(*["equivalent"] * 4)
    names = ("build", "hair", "race", "skin")
    found = tuple(replace(finding, measurement=name) for finding, name in zip(base.findings, names, strict=False))

    assert headline_of(replace(base, findings=found), samples.SETTINGS).sentence.replace("\xa0", " ") == (
        "No difference that matters in any of 4 questions: any two compared groups differ by less than 5 points in accuracy (build) by "
        "gender; accuracy (hair) by gender; accuracy (race) by gender; 1 more rate."
    )


def test_where_no_question_counts_no_form_calls_the_audit_inconclusive():
    """Nothing was asked, so that nothing stayed open; the overview of several audits included."""
    audit = audit_of()
    texts = forms(samples.results(audit, replace(audit, model=replace(audit.model, name="another"))))

    assert all("No verdict" in text for text in texts)
    assert "Inconclusive." not in " ".join(texts)
    assert texts[0].count("No verdict") == 5  # the count of both, the grid and the first screen, of two audits


def test_page_summary_and_terminal_of_a_comparison_say_the_same(facts):
    comparison = comparison_of(facts, "inconclusive", "equivalent")
    both, said = replace(facts, comparisons=(comparison,)), comparison_sentence(comparison, changes.SETTINGS)
    texts = [text_of(render_comparison(both)), comparison_markdown(both), comparison_lines(both)]

    assert all(part in " ".join(text.split()) for text in texts for part in (said.headline, *said.cautions))
