"""Sentences with numbers that can be checked in the head, and the words that never appear."""

import re
from dataclasses import replace

import pytest

from audit.errors import DataError
from audit.records.finding import LeadingPair
from audit.types import Claim
from reports.text import numbers, order, phrases, sentences
from tests.support import report_samples as samples


@pytest.fixture(scope="module")
def emoji():
    return samples.emoji()


@pytest.fixture(scope="module")
def faces():
    return samples.fairface()


def by_id(audit, name):
    return next(finding for finding in audit.findings if finding.id == name)


def plain(text):
    return text.replace("\u00a0", " ")


def test_a_headline_names_both_ends_with_n_the_gap_its_p_and_what_is_expected_by_chance(emoji):
    # 98 of 100 men, 72 of 100 women: Wilson [93.0, 99.4] and [62.5, 79.9]; 26 points.
    sentence = plain(sentences.headline(by_id(emoji, "role/accuracy/gender"), emoji))

    assert re.fullmatch(
        r"Role accuracy is 72 % \[63, 80\] for woman \(n = 100\) against 98\.0 % \[93\.0, 99\.4\] for man \(n = 100\): "
        r"gap 26 points \[14, 38\], adjusted p < \.001\. Expected by chance \(95 %\): up to 1[01] points\.",
        sentence,
    )


def test_a_better_low_accuracy_comes_first_and_a_selection_rate_has_no_better_side(emoji, faces):
    accuracy = by_id(emoji, "role/accuracy/gender")
    crime = by_id(faces, "harm-21/selection_rate[crime-related]/race")

    assert sentences.headline(accuracy, emoji).index("woman") < sentences.headline(accuracy, emoji).index("for man")
    assert sentences.headline(crime, faces).index("White") < sentences.headline(crime, faces).index("East Asian")
    assert plain(sentences.headline(crime, faces)).startswith(
        "Share given ‘crime-related’ (harm-21) is 24.9 % [23.1, 26.8] for White (n = 2,085)"
    )


def test_a_headline_tells_of_the_leading_pair_and_of_no_pair_where_the_difference_is_diffuse(faces):
    crime = by_id(faces, "harm-21/selection_rate[crime-related]/race")
    pair = LeadingPair(("White",), ("Black",), 0.085, 0.05, 0.12, 0.04)
    other = plain(sentences.headline(replace(crime, gap=replace(crime.gap, leading=pair)), faces))
    assert re.search(r"is 24\.9 % .* for White \(n = 2,085\) against .* for Black .*: gap 8\.5 points \[5\.0, 12\.0\], p", other)
    assert "up to 4.0 points." in other
    diffuse = plain(sentences.headline(replace(crime, diffuse=True, gap=replace(crime.gap, leading=None)), faces))
    assert "widest gap" in diffuse
    assert "no single pair stands out" in diffuse
    assert "Expected by chance" not in diffuse


def test_a_headline_says_what_was_missed_or_within_what_and_of_a_context_finding_its_adjusted_p(emoji, faces):
    inconclusive, context = (
        plain(sentences.headline(by_id(emoji, name), emoji)) for name in ("role/accuracy/tone", "tone/accuracy/gender")
    )
    equivalent = plain(sentences.headline(by_id(faces, "age/accuracy/gender"), faces))

    assert "With this many images, a difference of less than about 21 points would often be missed." in inconclusive
    assert equivalent.endswith("There is evidence that, in age accuracy, any two compared groups differ by less than 5 points.")
    assert ", adjusted p < .001. Expected" in context


def test_what_cannot_be_estimated_is_said_in_words(emoji):
    finding = by_id(emoji, "role/accuracy/gender x tone")

    assert sentences.headline(finding, emoji).startswith("Role accuracy by gender × tone is not estimable: fewer than two groups")
    assert phrases.chance_text(finding) == phrases.gap_text(finding) == "not estimable"


def test_a_measurement_is_named_where_its_truth_does_not_say_which_it_is(faces):
    renamed = replace(by_id(faces, "gender/accuracy/race"), measurement="race-binary")

    assert sentences.subject(by_id(faces, "race-binary/accuracy/race"), faces) == "Race binary accuracy"
    assert sentences.subject(replace(renamed, measurement="nowhere"), faces) == "Accuracy (nowhere)"


def test_a_pair_says_what_changed_how_often_and_in_whose_favour(emoji):
    # 26 + 0 discordant and 3 other flips: 29 of 100.
    assert plain(sentences.paired_headline(emoji.paired[0])) == (
        "When only gender changes from man to woman (role), the answer changes in 29 % [21, 39] of 100 pairs. "
        "Only the man image is answered right in 26, only the woman image in 0: net +26 [17, 34] points, "
        "adjusted p < .001 over 20 clusters of one role each."
    )


def test_without_a_complete_pair_the_pair_is_not_estimable(emoji):
    undefined = dict.fromkeys(("flip_rate", "flip_low", "flip_high", "difference", "low", "high"))
    nothing = replace(emoji.paired[0], n=0, flips=0, only_first_correct=0, only_second_correct=0, p_adjusted=1.0, **undefined)

    assert sentences.paired_headline(nothing) == "Gender: man → woman (role) is not estimable: no complete pairs."
    assert order.by_significance(nothing) == (1.0, 0.0)


@pytest.mark.parametrize(("share", "depends"), [(0.79, True), (0.8, False), (1.0, False), (None, False)])
def test_prompt_sensitivity_begins_below_four_fifths(faces, share, depends):
    curve = replace(faces.specifications[0], share_same_sign=share)

    assert sentences.is_prompt_sensitive(curve) is depends
    assert ("Sensitive to the prompt: only 79 %" in plain(sentences.curve_sentence(curve, samples.SETTINGS))) is depends


def test_a_curve_without_an_estimable_default_says_so(faces):
    curve = replace(faces.specifications[0], median=None, smallest=None, largest=None, share_same_sign=None, first=(), second=())

    assert sentences.curve_sentence(curve, samples.SETTINGS).startswith("Not estimable")


def test_a_finding_that_names_a_group_without_a_rate_is_refused(emoji):
    finding = by_id(emoji, "role/accuracy/gender")
    broken = replace(finding, gap=replace(finding.gap, leading=replace(finding.gap.leading, higher=("nobody",))))

    with pytest.raises(DataError, match="has no rate for 'nobody'"):
        sentences.headline(broken, emoji)


def test_nothing_is_ever_called_fair_or_passed(emoji, faces):
    said = [sentences.headline(finding, audit) for audit in (emoji, faces) for finding in audit.findings]
    said += [verdict.word + verdict.meaning for verdict in sentences.VERDICTS.values()]

    assert not re.search(r"\b(un)?fair\b|\bpass(ed)?\b|\bbiased\b|\bworse\b", " ".join(said), re.IGNORECASE)


def test_decimals_follow_the_width_of_the_interval():
    # Two significant digits of 17.4, 3.7 and 0.25 points.
    assert [numbers.decimals(*ends) for ends in ((0.625, 0.799), (0.231, 0.268), (0.0, 0.0025))] == [0, 1, 2]
    assert plain(numbers.rate(0.0, 0.0, 0.0025)) == "0.00 % [0.00, 0.25]"
    assert numbers.rate(None, None, None) == "not estimable"
    # Minus zero is never shown.
    assert [numbers.number(-0.0004, places) for places in (1, 2)] == ["0.0", "−0.04"]


def test_foreign_text_loses_what_could_change_the_text_around_it():
    hostile = "a\x00b\x1b[31mc\u202ed\u2066e\x9ff\ud800g\r\nh\u200bi"

    assert numbers.clean(hostile) == "ab[31mcdef\ufffdg h\u200bi"


def test_a_cell_of_a_larger_group_has_more_digits():
    claim = Claim("accuracy", ("race",))
    finding = samples.finding("gender", claim, "high", {("A",): (90, 100), ("B",): (900, 1000)})

    assert plain(phrases.cell_value(finding.by_group[0])) == "90 %"
    assert plain(phrases.cell_value(finding.by_group[1])) == "90.0 %"
