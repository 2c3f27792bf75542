"""Sentences and captions about rankings: which groups rank first, beyond what random orders show."""

from __future__ import annotations

from collections.abc import Sequence

from audit.analyses.records import ChanceBand
from audit.extensions.ranking.record import MOST_RANKED, RankedMetric, RankedQuery, Ranking
from audit.results import AuditResult
from audit.types import Settings
from reports.text import phrases
from reports.text.notes import sentence
from reports.text.numbers import count, decimal, in_words, number, p_phrase, percent

WHERE = "rankings"
"""Name of this analysis in a list of analyses with differences beyond chance."""
ASKED = (
    "Each query sorts all images by how well they match its words; a search would show the first of them. No order is the right one: the "
    "numbers say whose images the model puts first, not what is true of the people shown. A share that random orders also reach shows "
    "neither a difference nor its absence."
)
OWN_GALLERIES = (
    "Each query sorts the images of its own gallery by how well they match its words; a search would show the first of them. No order is "
    "the right one: the numbers say whose images the model puts first, not what is true of the people shown. A share that random orders "
    "also reach shows neither a difference nor its absence."
)
BY_LABEL = (
    "Each query sorts all images by the probability of the label with that name or meaning; a search would show the first of them. No "
    "order is the right one: the numbers say whose images the model puts first, not what is true of the people shown. A share that random "
    "orders also reach shows neither a difference nor its absence."
)
METRICS = {
    "MaxSkew": "of the most over-represented group: ln(share / target), 0 at the target",
    "MinSkew": "of the most under-represented group",
    "NDKL": "divergence of every prefix from the target; above 0 for every order",
    "Bias": "more of the first group than of the second, as a share of both; opposite queries cancel",
    "AbsBias": "the same without signs; opposite queries do not cancel",
    "Entropy": "how evenly the first k are spread over the groups: 1 for equal shares, 0 for one group alone",
}
_TARGETS = {"population": "its share of {}", "equal": "an equal share for every group"}


def ranking_explanation(audit: AuditResult) -> str:
    """Return what a ranking is."""
    if audit.model.labels:
        return BY_LABEL
    return OWN_GALLERIES if _apart(audit) else ASKED


def chart_reading(audit: AuditResult) -> str:
    """Return how to read the charts."""
    return READING.format("its gallery" if _apart(audit) else "all images")


def _apart(audit: AuditResult) -> bool:
    return all(ranking.gallery for ranking in audit.analyses["rankings"])


def sizes_of(ranking: Ranking, query: RankedQuery) -> tuple[int, ...]:
    """Return the images of each group that a query ranks."""
    return query.sizes or ranking.sizes


def chance_of(ranking: Ranking, query: RankedQuery) -> tuple[ChanceBand, ...]:
    """Return the expected range of each group's share of the first k."""
    return query.chance_shares or ranking.chance_shares


def signalling(audit: AuditResult) -> tuple[tuple[Ranking, RankedQuery], ...]:
    """Return the queries whose first images are beyond chance, most significant first."""
    signals = [(ranking, query) for ranking in audit.analyses["rankings"] for query in ranking.queries if query.verdict == "signal"]
    return tuple(sorted(signals, key=lambda signal: (signal[1].p_adjusted, -abs(signal[1].standard_errors))))


def similarities_differ(audit: AuditResult) -> bool:
    """Whether a ranking by similarity is beyond chance; the scores of a classifier are not similarities."""
    return bool(signalling(audit)) and not audit.model.labels


def ranking_result(audit: AuditResult, settings: Settings) -> str:
    """Say how many rankings are beyond chance, and which is the most significant."""
    total = sum(len(ranking.queries) for ranking in audit.analyses["rankings"])
    if not total:
        return "No ranking is estimable."
    signals = signalling(audit)
    of = f"{in_words(total, 'ranking')} (each query by each attribute and k; false discovery rate {percent(settings.alpha)})"
    which = "The only ranking (of a query by an attribute)" if total == 1 else f"{count(len(signals)) if signals else 'None'} of {of}"
    if signals:
        return f"{which} {'is' if len(signals) == 1 else 'are'} beyond chance. Most significant: {search_sentence(*signals[0])}"
    limited = " A limited run has no signals." if audit.data.limited else ""
    return f"{which} is {'not ' * (total == 1)}beyond chance: it is undecided whether groups are found unequally often.{limited}"


def search_sentence(ranking: Ranking, query: RankedQuery) -> str:
    """Return one search as a sentence: group first, then its share, then what is expected by chance."""
    share, group_index = share_of(ranking, query), ranking.groups.index(query.group)
    band = chance_of(ranking, query)[group_index]
    n = count(sum(sizes_of(ranking, query)))
    images = f"the {n} images of its gallery" if ranking.gallery else f"all {n} images"
    chance = f"in 19 of 20 random orders {chance_range(band)} (adjusted {p_phrase(query.p_adjusted)})"
    return (
        f"{phrases.group((query.group,))}, {percent(band.mean)} of {images}, fill {percent(share)} "
        f"of the first {count(ranking.k)} for ‘{query.query}’; {chance}."
    )


def line(audit: AuditResult, settings: Settings) -> str:
    """Return the line about rankings in summary and terminal; empty unless one is beyond chance."""
    return f"{phrases.NOT_PLANNED}{ranking_result(audit, settings)}" if signalling(audit) else ""


def share_of(ranking: Ranking, query: RankedQuery) -> float:
    """Return the share of the most deviating group among the first k."""
    return query.counts[ranking.groups.index(query.group)] / ranking.k


def chance_range(band: ChanceBand) -> str:
    """Return the range of the share in random orders: ``28–72 %``."""
    return f"{number(band.low, 0)}–{percent(band.high)}"


READING = (
    "Each row shows the group that deviates most among the first images of a query. Dot: its share of them, filled if it is beyond "
    "chance. Line: its share of {}. Bar: its range in 19 of 20 random orders."
)


def ranking_title(ranking: Ranking) -> str:
    """Return the title of a chart."""
    ranked = "each gallery" if ranking.gallery else in_words(sum(ranking.sizes), "image")
    return f"By {phrases.attributes([ranking.attribute])}: the first {count(ranking.k)} of {ranked}"


def ranking_caption(ranking: Ranking) -> str:
    """Return the question, and how many of its queries are beyond chance."""
    n_signals = sum(query.verdict == "signal" for query in ranking.queries)
    of = f"{count(n_signals) if n_signals else 'none'} of {in_words(len(ranking.queries), 'query', 'queries')} beyond chance"
    equal = "; skew is against equal shares" if ranking.target == "equal" else ""
    return f"{phrases.stopped(ranking.question)} By {phrases.attributes([ranking.attribute])}: {of}{equal}."


def not_judged_sentence(ranking: Ranking, settings: Settings) -> str:
    """Name the groups too small to judge, and how many queries return them, never returned ones first, if any."""
    of = in_words(len(ranking.queries), "query", "queries")
    named = []
    for group in ranking.not_judged:
        group_index = ranking.groups.index(group)
        n_queries = sum(query.counts[group_index] > 0 for query in ranking.queries)
        often = f"found by {count(n_queries)} of {of}" if n_queries else "never found"
        named.append((n_queries, f"{phrases.group((group,))} (n = {count(ranking.sizes[group_index])}, {often})"))
    shown = phrases.some([text for _, text in sorted(named)])
    least = count(settings.min_group_size)
    return f"In the gallery but not judged, with fewer than {least} images: {shown}." if named and ranking.queries else ""


def not_ranked_sentence(ranking: Ranking) -> str:
    """Name the queries whose galleries cannot be ranked; empty if all can."""
    if not ranking.not_ranked:
        return ""
    named = phrases.some([f"‘{query}’ (n = {count(n)})" for query, n in ranking.not_ranked])
    return f"Not ranked, because the gallery has at most {in_words(ranking.k, 'image')} or shows fewer than two of the groups: {named}."


def group_heading(ranking: Ranking, group: str) -> str:
    """Return a group as a column heading, with n if it is not judged."""
    n = ranking.sizes[ranking.groups.index(group)]
    return f"{phrases.group((group,))}{f' (n = {count(n)}, not judged)' if group in ranking.not_judged else ''}"


def tied_sentence(ranking: Ranking) -> str:
    """Say how many queries end in a tie; empty if none does."""
    tied = [query for query in ranking.queries if query.tied]
    most = max((query.tied for query in tied), default=0)
    if not tied:
        return ""
    end = "ends" if len(tied) == 1 else "end"
    order = "an order that depends on their names alone" if ranking.gallery else "a random order that depends on the seed"
    return (
        f"{in_words(len(tied), 'query', 'queries')} {end} in a tie (up to {in_words(most, 'image')} that were not found have the same "
        f"score as the last one found): tied images are in {order}."
    )


def metric_cells(metric: RankedMetric) -> tuple[str, ...]:
    """Return a metric with its mean over random orders and the range of 19 of 20 of them (for Bias, the middle 95 %)."""
    chance = metric.chance
    spread = () if metric.sd is None else (decimal(metric.sd, 2),)
    return (decimal(metric.value, 2), *spread, decimal(chance.mean, 2), metric_chance(metric), METRICS[metric.name])


def metric_chance(metric: RankedMetric) -> str:
    """Return the range of a metric in 19 of 20 random orders.

    Examples
    --------
    >>> metric_chance(RankedMetric("MinSkew", -0.5, ChanceBand(-0.2, -0.4, -0.1)))
    'down to −0.4'
    """
    chance = metric.chance
    if metric.name == "Bias":
        return f"{decimal(chance.low, 2)} to {decimal(chance.high, 2)}"
    return f"down to {decimal(chance.low, 2)}" if metric.name in ("MinSkew", "Entropy") else f"up to {decimal(chance.high, 2)}"


def method_sentence(rankings: Sequence[Ranking]) -> str:
    """Explain how p and chance were computed."""
    drawn = next((ranking for ranking in rankings if ranking.queries), None)
    if drawn is None:
        return ""
    images, shuffles = ("the images of the gallery", "in each gallery") if drawn.gallery else ("all images", "the same for all queries")
    whole = f" NDKL is about the order of a whole gallery, up to {count(MOST_RANKED)} images." if drawn.gallery else ""
    return (
        f"p: for the group with the largest deviation from its share of {images}, in standard errors, against "
        f"{count(drawn.draws[0])} random orders of the same images; adjusted for all rankings (Benjamini-Hochberg). Expected NDKL and "
        f"means: {count(drawn.draws[1])} shuffles of the groups, {shuffles}. Skew: natural logarithm of the share over "
        f"{_TARGETS[drawn.target].format(images)}; an absent group counts as one of k; a group with an expected count below one of k is "
        f"left out.{whole}"
    )


def not_estimable_sentence(ranking: Ranking) -> str:
    """Say why a ranking has no numbers; empty if it has."""
    if ranking.reason is None:
        return ""
    # If no group is large enough, the gallery is empty, and its k means nothing.
    title = ranking_title(ranking) if ranking.sizes else f"By {phrases.attributes([ranking.attribute])}"
    return f"{title}: not estimable, because {phrases.stopped(sentence(ranking.reason))}"
