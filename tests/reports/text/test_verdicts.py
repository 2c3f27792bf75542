"""The first sentence of a report: true for every mix of disparity, inconclusive, equivalent and not estimable."""

import itertools
import re
from dataclasses import replace

import pytest

from audit.comparison.verdict import overall
from audit.statistics.verdict import worst
from reports.exports.card import card
from reports.exports.markdown import comparison_markdown, summary_markdown
from reports.exports.model_card import model_cards
from reports.exports.terminal import audit_lines, comparison_lines
from reports.render import render
from reports.render import render_comparisons as render_comparison
from reports.text.verdicts import comparison_sentence, verdict_sentence
from tests.support import comparison_samples as changes
from tests.support import report_samples as samples
from tests.support.page_text import text_of

BY_VERDICT = ("disparity", "inconclusive", "equivalent", "not estimable")
BY_CHANGE = ("gap reversed", "gap grew", "gap shrank", "inconclusive", "equivalent", "not estimable")


def audit_of(*verdicts, limited=False):
    """An audit whose pre-specified questions have these verdicts, concluded as audits are; of its context one is a disparity."""
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


WITHIN = "every two groups compared are shown to differ by less than the tolerance: occupation accuracy by gender"
OPEN = "these images show neither a difference between groups nor its absence"
FEW = "no two groups have enough images in enough clusters to be compared"
DIFFERENT = "answers agree with the labels less often for woman than for man, by more than chance explains: occupation accuracy by gender"


@pytest.mark.parametrize(
    ("verdicts", "word", "sentence"),
    [
        (("inconclusive",), "Inconclusive", f"In the pre-specified question, {OPEN}."),
        (
            ("inconclusive", "equivalent", "inconclusive", "equivalent"),
            "Inconclusive",
            f"No pre-specified question shows a disparity. In 2 of 4 pre-specified questions, {WITHIN} and gender. The rest is open.",
        ),
        (
            ("equivalent", "not estimable"),
            "Inconclusive",
            f"No pre-specified question shows a disparity. In 1 of 2 pre-specified questions, {WITHIN}. The rest is open.",
        ),
        (
            ("inconclusive", "inconclusive", "not estimable"),
            "Inconclusive",
            f"In 2 of 3 pre-specified questions, {OPEN}; in the rest, {FEW}.",
        ),
        (("disparity", "equivalent", "inconclusive"), "Disparity", f"In 1 of 3 pre-specified questions, {DIFFERENT}."),
        (("equivalent", "equivalent"), "Equivalent", f"In both pre-specified questions, {WITHIN} and gender."),
        (("not estimable",) * 3, "Not estimable", f"In all 3 pre-specified questions, {FEW}."),
        ((), "No verdict", "Every comparison is exploratory."),
    ],
)
def test_the_verdict_of_an_audit_in_words(verdicts, word, sentence):
    audit = audit_of(*verdicts)
    audit = replace(audit, data=replace(audit.data, cluster="occupation", clusters=20))

    assert (verdict_sentence(audit).word, verdict_sentence(audit).sentence) == (word, sentence)


MIXES = [mix for n in range(4) for mix in itertools.combinations_with_replacement(BY_VERDICT, n)]


@pytest.mark.parametrize("verdicts", MIXES, ids=lambda mix: "+".join(mix) or "nothing")
def test_no_sentence_denies_what_was_shown(verdicts):
    """All 35 mixes of up to three questions: whatever is denied of all is true of all, and every count is one that was found."""
    said = verdict_sentence(audit_of(*verdicts)).sentence

    if "neither a difference" in said:
        assert "equivalent" not in verdicts
        assert "disparity" not in verdicts
        assert verdicts.count("inconclusive") == len(verdicts) or f"In {verdicts.count('inconclusive')} of {len(verdicts)} " in said
    if "less than the tolerance" in said:
        assert verdicts.count("equivalent") == len(verdicts) or f"In {verdicts.count('equivalent')} of {len(verdicts)} " in said
    assert ("No pre-specified question shows a disparity" in said) <= ("disparity" not in verdicts)
    assert ("agree with the labels less often" in said) == ("disparity" in verdicts)
    assert ("exploratory" in said) == (not verdicts)
    assert "No disparity" not in said  # the context shows one


CHANGED = [mix for n in range(4) for mix in itertools.combinations_with_replacement(BY_CHANGE, n)]


@pytest.mark.parametrize("verdicts", CHANGED, ids=lambda mix: "+".join(mix) or "nothing")
def test_no_sentence_about_a_change_denies_what_was_shown(verdicts, facts):
    said = comparison_sentence(comparison_of(facts, *verdicts)).sentence

    if "neither a change" in said:
        assert set(verdicts) <= {"inconclusive", "not estimable"}
    if "No pre-specified gap is shown to have changed" in said:
        assert not set(verdicts) & {"gap reversed", "gap grew", "gap shrank"}
        assert f"In {verdicts.count('equivalent')} of {len(verdicts)} pre-specified questions" in said
    assert ("changed places" in said) == ("gap reversed" in verdicts)
    assert ("further apart" in said) <= ("gap grew" in verdicts and "gap shrank" not in verdicts)
    assert ("closer together" in said) <= ("gap shrank" in verdicts and "gap grew" not in verdicts)
    assert ("exploratory" in said) == (not verdicts)


def test_the_verdict_of_a_comparison_in_words(facts):
    mixed = comparison_sentence(comparison_of(facts, "inconclusive", "equivalent"))
    assert mixed.word == "Inconclusive"
    assert mixed.sentence == (
        "No pre-specified gap is shown to have changed by more than the tolerance. In 1 of 2 pre-specified questions, every "
        "difference between two groups compared is shown to have changed by less than the tolerance: animal accuracy by group. The rest "
        "is open."
    )
    assert comparison_sentence(comparison_of(facts, "gap grew", "gap shrank")).sentence == "Some gaps grew and others shrank."
    assert comparison_sentence(comparison_of(facts, "gap shrank", "inconclusive")).sentence == (
        "In 1 of 2 pre-specified questions, the groups lie closer together after than before, by more than chance explains; what is "
        "left may still matter."
    )
    assert comparison_sentence(comparison_of(facts)).word == "No verdict"


def test_a_sample_is_not_said_to_show_nothing(facts):
    """A sample may show a difference; what it cannot do is conclude."""
    assert verdict_sentence(audit_of("inconclusive", limited=True)).sentence == "Only a sample of the images was audited."
    assert comparison_sentence(comparison_of(facts, "inconclusive", limited=True)).sentence == "Only a sample of the images was compared."


def forms(results):
    return [text_of(render(results)), summary_markdown(results), audit_lines(results), card(results), *model_cards(results).values()]


def test_page_summary_terminal_model_card_and_card_say_the_same():
    audit = audit_of("equivalent", "inconclusive")

    assert all(verdict_sentence(audit).sentence in " ".join(text.split()) for text in forms(samples.results(audit)))


def test_of_what_is_equivalent_every_form_names_the_rate(facts):
    """Equal accuracy says nothing of other rates: a sentence that two groups differ by less than something says in what."""
    results, comparison = samples.results(audit_of("equivalent", "inconclusive")), comparison_of(facts, "inconclusive", "equivalent")
    both = replace(facts, comparisons=(comparison,))
    texts = [*forms(results), text_of(render_comparison(both)), comparison_markdown(both), comparison_lines(both)]
    claimed = [
        each
        for text in texts
        for each in re.split(r"[.:] (?=[A-Z])", " ".join(text.split()))
        if re.search(r"shown to .* by less than|lies inside ±", each)
    ]

    assert len(claimed) > len(texts)
    assert [each for each in claimed if not re.search("accuracy|rate that was tested", each)] == []


def test_a_rate_of_many_measurements_is_named_with_its_own_and_of_many_rates_three_are_named():
    base = audit_of("disparity", "equivalent", "equivalent", "equivalent", "equivalent")
    names = ("harm", "age", "hair", "race", "skin")
    found = tuple(replace(each, measurement=name) for each, name in zip(base.findings, names, strict=False))
    outcome = replace(found[0], metric="selection_rate", outcome="thief")
    audit = replace(base, findings=(outcome, *found[1:]))

    assert verdict_sentence(audit).sentence == (
        "In 1 of 5 pre-specified questions, answers differ between groups by more than chance explains: share given ‘thief’ (harm) by "
        "gender."
    )
    equal = replace(audit, findings=audit.findings[1:], verdict="equivalent")
    assert verdict_sentence(equal).sentence == (
        "In all 4 pre-specified questions, every two groups compared are shown to differ by less than the tolerance: accuracy (age) by "
        "gender; accuracy (hair) by gender; accuracy (race) by gender; 1 more rate."
    )


@pytest.mark.parametrize(
    ("metric", "better", "worse"),
    [
        ("accuracy", "high", "woman than for man"),
        ("true_positive_rate", "high", "woman than for man"),
        ("false_positive_rate", "low", "man than for woman"),
    ],
)
def test_one_disparity_says_for_whom_answers_agree_less_often(metric, better, worse):
    """Of woman 72 % and man 98 %: a low rate is the worse one of what is right, a high one of what is wrong."""
    base = audit_of("disparity")
    audit = replace(base, findings=(replace(base.findings[0], metric=metric, better=better),))

    assert f"less often for {worse}, by more than chance explains" in verdict_sentence(audit).sentence
    diffuse = replace(audit, findings=(replace(audit.findings[0], diffuse=True),))
    assert "less often for some groups than for others, by" in verdict_sentence(diffuse).sentence


def test_where_no_question_counts_no_form_calls_the_audit_inconclusive():
    """Nothing was asked, so that nothing stayed open; the overview of several audits included."""
    audit = audit_of()
    texts = forms(samples.results(audit, replace(audit, model=replace(audit.model, name="another"))))

    assert all("No verdict" in text for text in texts)
    assert "Inconclusive." not in " ".join(texts)
    assert texts[0].count("No verdict") == 4  # the overview and the first screen, of two audits


def test_page_summary_and_terminal_of_a_comparison_say_the_same(facts):
    comparison = comparison_of(facts, "inconclusive", "equivalent")
    both, said = replace(facts, comparisons=(comparison,)), comparison_sentence(comparison).sentence
    texts = [text_of(render_comparison(both)), comparison_markdown(both), comparison_lines(both)]

    assert all(said in " ".join(text.split()) for text in texts)
