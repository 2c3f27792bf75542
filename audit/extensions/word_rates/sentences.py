"""Sentences and captions about word rates: which words are used about which group, beyond what shuffled groups show."""

from __future__ import annotations

from audit.extensions.word_rates.record import WordRate, WordRates
from audit.results import AuditResult
from audit.types import Settings
from reports.text import phrases
from reports.text.notes import sentence
from reports.text.numbers import count, in_words, number, p_phrase, percent, span

_WRITTEN, _RECORDED = "The model wrote a text about every image after each prompt", "The file holds texts about every image"
_ASKED = (
    "{}; each word was counted once per text, and no model judges what a text says. "
    "A word that is in more texts about one group than expected from shuffled groups says what the model associates with that group, not "
    "what is true of the people shown; any other word shows neither a difference nor its absence."
)
READING = (
    "Each row shows the group that deviates most. Dot: the share of its texts that use the word, filled if it is beyond chance. Line: "
    "the share of all texts. Bar: its range in 19 of 20 shuffles of the groups."
)
_TRAITS = {"length": "words per text", "empty": "no word at all", "refusal": "a refusal"}

HEADING = "Which words are used about whom"
"""Heading of the section; a question with the same text is not repeated."""
WHERE = "the words that are written"
"""Name of this analysis in a list of analyses with differences beyond chance."""


def asked_sentences(audit: AuditResult) -> str:
    """Explain the question, the origin of the texts, and what a result means."""
    return _ASKED.format(_RECORDED if phrases.answers_only(audit.model) else _WRITTEN)


def found_in(audit: AuditResult) -> tuple[tuple[WordRates, WordRate], ...]:
    """Return the rates beyond chance, most significant first."""
    signals = [(rates, rate) for rates in audit.analyses["word_rates"] for rate in rates.rates if rate.verdict == "signal"]
    return tuple(
        sorted(signals, key=lambda signal: (signal[1].p_adjusted, signal[1].kind == "length", -abs(signal[1].difference), signal[1].word))
    )


def word_result(audit: AuditResult, settings: Settings) -> str:
    """Say how many rates are beyond chance, and which is the most significant."""
    total = sum(len(rates.rates) for rates in audit.analyses["word_rates"])
    if not total:
        return "No word rate is estimable."
    signals = found_in(audit)
    rate = f"every word and trait after each prompt, by each attribute; error rate {percent(settings.alpha)} for all of them together"
    of = f"{count(len(signals)) if signals else 'None'} of {in_words(total, 'rate')} ({rate})"
    if signals:
        return f"{of} {'is' if len(signals) == 1 else 'are'} beyond chance. Most significant: {rate_sentence(*signals[0])}"
    limited = " A limited run has no signals." if audit.data.limited else ""
    return f"{of} is beyond chance: it is undecided whether texts about groups differ.{limited}"


def rate_sentence(rates: WordRates, rate: WordRate) -> str:
    """Return one rate as a sentence: share and group, then the share of the others and what is expected by chance."""
    group_index = rates.groups.index(rate.group)
    n, mine, others = rates.sizes[group_index], rate.means[group_index], rate.means[group_index] - rate.difference
    chance = f"in 19 of 20 shuffles {chance_range(rate)} (adjusted {p_phrase(rate.p_adjusted)})"
    about = f"of the texts about {phrases.group((rate.group,))} (n\u00a0=\u00a0{count(n)}, prompt ‘{rates.prompt}’)"
    if rate.kind == "length":
        return f"The length {about}: {value_of(rate, mine)} words, {value_of(rate, others)} about all others; {chance}."
    what = {"word": f"use ‘{rate.word}’", "empty": "have no word", "refusal": "are refusals"}[rate.kind]
    return f"{percent(mine)} {about} {what}, {percent(others)} of those about all others; {chance}."


def line(audit: AuditResult, settings: Settings) -> str:
    """Return the line about word rates in summary and terminal; empty unless one is beyond chance."""
    return f"{phrases.NOT_PLANNED}{word_result(audit, settings)}" if found_in(audit) else ""


def row_name(rate: WordRate) -> str:
    """Return the heading of a row.

    Examples
    --------
    >>> from audit.analyses.records import ChanceBand
    >>> row_name(WordRate("refusal", "", (0.1, 0.0), "a", 0.1, 0.0, 0.2, ChanceBand(0.05, 0.0, 0.1), 0.2, 1.0, "no signal"))
    'a refusal'
    """
    return rate.word if rate.kind == "word" else _TRAITS[rate.kind]


def value_of(rate: WordRate, value: float) -> str:
    """Format a mean: a share in percent, or a length as a number of words."""
    return number(value / 100, 1) if rate.kind == "length" else percent(value)


def chance_range(rate: WordRate) -> str:
    """Return the range of the group's mean in 19 of 20 shuffles."""
    low, high = rate.chance.low, rate.chance.high
    return f"{value_of(rate, low)} to {value_of(rate, high)} words" if rate.kind == "length" else f"{number(low, 0)}–{percent(high)}"


def difference_of(rate: WordRate) -> str:
    """Format the difference from all others with its interval, in points, or in words for a length."""
    scale, places = (100, 1) if rate.kind == "length" else (1, 0)
    return f"{number(rate.difference / scale, places, signed=True)} {span(rate.low / scale, rate.high / scale, places)}"


def rates_title(rates: WordRates) -> str:
    """Return the title of a chart."""
    return f"By {phrases.attributes([rates.attribute])}, after ‘{rates.prompt}’"


def rates_caption(rates: WordRates) -> str:
    """Return the question, and how many of its rates are beyond chance."""
    n_signals = sum(rate.verdict == "signal" for rate in rates.rates)
    words = sum(rate.kind == "word" for rate in rates.rates)
    of = f"{count(n_signals) if n_signals else 'none'} of {in_words(len(rates.rates), 'rate')} beyond chance"
    question = "" if rates.question.rstrip("?") == HEADING else f"{phrases.stopped(rates.question)} "
    return (
        f"{question}{rates_title(rates)}: {in_words(words, 'word')} in at least {percent(rates.least)} of "
        f"{in_words(sum(rates.sizes), 'text')}; {of}."
    )


def method_sentence(audit: AuditResult) -> str:
    """Explain how words, p and chance were computed."""
    drawn = next((rates for rates in audit.analyses["word_rates"] if rates.rates), None)
    if drawn is None:
        return ""
    return (
        "A word: a run of two letters or more of any script, without regard to case; the words of fewer than "
        f"{percent(drawn.least)} of the texts, and of all of them, are left out. A refusal: a text with one of a few English phrases, such "
        f"as “I cannot”. p: for the group that differs most from all others, in standard errors, against {count(drawn.draws)} shuffles of "
        f"the groups over the images, adjusted for every word and prompt by the largest difference (Westfall-Young), and for the "
        f"attributes (Bonferroni). Differences: in points (for a length, in words), the group minus all others; the interval is not "
        "adjusted."
    )


def why_not(rates: WordRates) -> str:
    """Say why there are no numbers; empty if there are."""
    return f"{rates_title(rates)}: not estimable, because {phrases.stopped(sentence(rates.reason))}" if rates.reason else ""
