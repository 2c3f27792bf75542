"""Word rates: which words are used about whom, beside what shuffled groups give."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace

from audit.analyses.word_rates.record import WordRate, WordRates
from audit.types import Settings
from reports.charts.forest import axis, tick_texts
from reports.charts.tracks import TrackRow, TrackTable, chance_track
from reports.sections.context import AuditContext
from reports.table import Row, Table
from reports.text import phrases
from reports.text.analyses import word_rates
from reports.text.analyses.ranking import left_out_sentence
from reports.text.numbers import count, in_words, p_value

TITLE, PLACE = word_rates.HEADING, 4
MOST_ROWS = 8
"""Words of a chart that are open; those beyond chance first."""
MOST_FOLDED = 20
"""Further words on the page; all of them stand in `tables/word_rates.csv`."""
_COLUMNS = ("Its texts", "By chance", "Difference from the others", "Adjusted p")


def view(context: AuditContext) -> SimpleNamespace | None:
    """Return the word rates of an audit; None without any."""
    found, settings = context.audit.word_rates, context.results.settings
    if not found:
        return None
    return SimpleNamespace(
        asked=word_rates.asked_sentences(context.audit),
        result=word_rates.word_result(context.audit, settings),
        reading=word_rates.READING,
        charts=tuple(_view(each, settings) for each in found if each.rates),
        without=tuple(text for each in found if (text := word_rates.why_not(each))),
        method=word_rates.method_sentence(context.audit),
    )


def _view(each: WordRates, settings: Settings) -> SimpleNamespace:
    """Return the chart of one prompt and attribute; folded where nothing is beyond chance."""
    ordered = sorted(each.rates, key=lambda rate: (rate.p_adjusted, rate.p, -abs(rate.difference), rate.word))
    # Empty texts and refusals have a table of their own; here only what is beyond chance.
    words = [rate for rate in ordered if rate.kind == "word" or (rate.kind != "length" and rate.verdict == "signal")]
    found = [rate for rate in words if rate.verdict == "signal"]
    shown = (found or words)[:MOST_ROWS]
    rest = [rate for rate in words if rate not in shown][:MOST_FOLDED]
    title = word_rates.rates_title(each)
    ticks = axis(0.0, max([0.01, *(_mean(each, rate) for rate in shown + rest), *(rate.chance.high for rate in shown + rest)]))

    def chart(rates: Sequence[WordRate], said: str) -> TrackTable:
        ends = ("0\u00a0%", f"{tick_texts(ticks)[-1]}\u00a0%")
        return TrackTable(said, "Word, group", ends, _COLUMNS, tuple(_row(each, rate, ticks) for rate in rates))

    return SimpleNamespace(
        title=title,
        folded=not any(rate.verdict == "signal" for rate in each.rates),
        chart=chart(shown, word_rates.rates_caption(each)),
        rest=chart(rest, f"{title}: further words") if rest else None,
        rest_title=f"The next {in_words(len(rest), 'row')}",
        traits=_traits(each),
        left_out=left_out_sentence(each.left_out, settings),
    )


def _mean(each: WordRates, rate: WordRate) -> float:
    return rate.means[each.groups.index(rate.group)]


def _row(each: WordRates, rate: WordRate, ticks: tuple[float, ...]) -> TrackRow:
    mean = _mean(each, rate)
    track = chance_track(mean, rate.chance, ticks, hot=rate.verdict == "signal")
    cells = (
        word_rates.value_of(rate, mean), word_rates.chance_range(rate), word_rates.difference_of(rate), p_value(rate.p_adjusted),
    )  # fmt: skip
    return TrackRow(word_rates.row_name(rate), track, cells, rate.group)


def _traits(each: WordRates) -> Table:
    """Return the length of the texts, and how many have no word or are refusals, by group."""
    traits = [rate for rate in each.rates if rate.kind != "word"]
    columns = ("", *(f"{phrases.group((group,))} (n\u00a0=\u00a0{count(n)})" for group, n in zip(each.groups, each.sizes, strict=True)))
    rows = tuple(
        Row((word_rates.row_name(rate), *(word_rates.value_of(rate, mean) for mean in rate.means), p_value(rate.p_adjusted)))
        for rate in traits
    )
    title = f"{word_rates.rates_title(each)}: length, empty texts and refusals"
    return Table(title, title, (*columns, "Adjusted p"), rows)
