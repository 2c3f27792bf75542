"""Word rates: which words are used about which group, compared with shuffled groups; and the CSV table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from audit.extensions.word_rates import sentences
from audit.extensions.word_rates.record import WordRate, WordRates
from audit.results import Results
from audit.types import Settings
from reports.charts.forest import axis, tick_texts
from reports.charts.tracks import TrackRow, TrackTable, chance_track
from reports.context import AuditContext
from reports.section import AnalysisChart, AnalysisView
from reports.table import Row, Table
from reports.text import phrases
from reports.text.numbers import count, in_words, p_value
from reports.text.phrases import left_out_sentence
from reports.tidy import AUDIT, Columns, TidyTable, tidy

MOST_ROWS = 8
"""Visible words of a chart; those beyond chance come first."""
MOST_FOLDED = 20
"""Further words on the page; all of them are in `tables/word_rates.csv`."""
_COLUMNS = ("Its texts", "By chance", "Difference from the others", "Adjusted p")


@dataclass(frozen=True, kw_only=True)
class WordRatesChart(AnalysisChart):
    """The words of one prompt by one attribute."""

    rest: TrackTable | None
    rest_title: str
    traits: Table
    left_out: str
    """A sentence that names the groups not shown."""


def view(context: AuditContext) -> AnalysisView[WordRatesChart] | None:
    """Return the word rates of an audit, or None."""
    all_rates, settings = context.audit.analyses["word_rates"], context.results.settings
    if not all_rates:
        return None
    return AnalysisView(
        asked=sentences.asked_sentences(context.audit),
        result=sentences.word_result(context.audit, settings),
        reading=sentences.READING,
        charts=tuple(_view(word_rates, settings) for word_rates in all_rates if word_rates.rates),
        without=tuple(text for word_rates in all_rates if (text := sentences.why_not(word_rates))),
        method=sentences.method_sentence(context.audit),
    )


def _view(word_rates: WordRates, settings: Settings) -> WordRatesChart:
    """Return the chart of one prompt and attribute, collapsed if nothing is beyond chance."""
    ordered = sorted(word_rates.rates, key=lambda rate: (rate.p_adjusted, rate.p, -abs(rate.difference), rate.word))
    # Empty texts and refusals have their own table; here they are listed only if beyond chance.
    listed = [rate for rate in ordered if rate.kind == "word" or (rate.kind != "length" and rate.verdict == "signal")]
    signals = [rate for rate in listed if rate.verdict == "signal"]
    shown = (signals or listed)[:MOST_ROWS]
    rest = [rate for rate in listed if rate not in shown][:MOST_FOLDED]
    title = sentences.rates_title(word_rates)
    ticks = axis(0.0, max([0.01, *(_mean(word_rates, rate) for rate in shown + rest), *(rate.chance.high for rate in shown + rest)]))

    def chart(rates: Sequence[WordRate], heading: str) -> TrackTable:
        ends = ("0\u00a0%", f"{tick_texts(ticks)[-1]}\u00a0%")
        return TrackTable(heading, "Word, group", ends, _COLUMNS, tuple(_row(word_rates, rate, ticks) for rate in rates))

    return WordRatesChart(
        title=title,
        folded=not any(rate.verdict == "signal" for rate in word_rates.rates),
        chart=chart(shown, sentences.rates_caption(word_rates)),
        rest=chart(rest, f"{title}: further words") if rest else None,
        rest_title=f"The next {in_words(len(rest), 'row')}",
        traits=_traits(word_rates),
        left_out=left_out_sentence(word_rates.left_out, settings),
    )


def _mean(word_rates: WordRates, rate: WordRate) -> float:
    return rate.means[word_rates.groups.index(rate.group)]


def _row(word_rates: WordRates, rate: WordRate, ticks: tuple[float, ...]) -> TrackRow:
    mean = _mean(word_rates, rate)
    track = chance_track(mean, rate.chance, ticks, hot=rate.verdict == "signal")
    cells = (
        sentences.value_of(rate, mean), sentences.chance_range(rate), sentences.difference_of(rate), p_value(rate.p_adjusted),
    )  # fmt: skip
    return TrackRow(sentences.row_name(rate), track, cells, rate.group)


def _traits(word_rates: WordRates) -> Table:
    """Return the length of the texts, and the shares without a word and with a refusal, by group."""
    traits = [rate for rate in word_rates.rates if rate.kind != "word"]
    columns = (
        "",
        *(f"{phrases.group((group,))} (n\u00a0=\u00a0{count(n)})" for group, n in zip(word_rates.groups, word_rates.sizes, strict=True)),
    )
    rows = tuple(
        Row((sentences.row_name(rate), *(sentences.value_of(rate, mean) for mean in rate.means), p_value(rate.p_adjusted)))
        for rate in traits
    )
    title = f"{sentences.rates_title(word_rates)}: length, empty texts and refusals"
    return Table(title, title, (*columns, "Adjusted p"), rows)


_RATES: Columns = {name: name for name in ("question", "prompt", "attribute")}
_RATE: Columns = {
    "kind": "rate.kind", "word": "rate.word", **{name: name for name in ("group", "texts", "mean")}, "stands_out": "rate.group",
    **{name: f"rate.{name}" for name in ("difference", "low", "high")}, "chance_low": "rate.chance.low",
    "chance_high": "rate.chance.high", **{name: f"rate.{name}" for name in ("p", "p_adjusted", "verdict")},
}  # fmt: skip


def table(results: Results) -> TidyTable:
    """Return one row per rate and group; columns after `stands_out` are about that group and are repeated in all rows of the rate."""
    return tidy((AUDIT, _RATES, _RATE), _rated(results))


def _rated(results: Results) -> Iterable[tuple[object, ...]]:
    for audit in results.audits:
        for rates in audit.analyses["word_rates"]:
            for rate in rates.rates:
                for group, texts, mean in zip(rates.groups, rates.sizes, rate.means, strict=True):
                    yield audit, rates, {"rate": rate, "group": group, "texts": texts, "mean": mean}
