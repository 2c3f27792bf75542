"""The first screen of a comparison: counts, headline, three numbers, caption; each sentence is true for every mix of outcomes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from audit.comparison.verdict import of_whole
from audit.records.comparison import Change, Comparison, GapChange, RateChange
from audit.types import Settings
from reports.text import comparison as comparison_text
from reports.text import phrases
from reports.text.changes import is_worse, levelling, moved_cells, without_verdict_after, worse_cells
from reports.text.missing_truth import MISSING, change_missing_sentence
from reports.text.numbers import count, end, exact_points, in_words, level, number, p_phrase, percent, points, upper_first
from reports.text.reasons import not_compared

_COUNTS: Mapping[str, str] = {
    "gap reversed": "reversed", "gap grew": "grew", "gap shrank": "shrank", "inconclusive": "inconclusive", "equivalent": "equivalent",
    "not estimable": "not estimable",
}  # fmt: skip
"""Outcomes of a change, worst first, in one or two words."""
_MOST_RATES, _MOST_MOVED = 3, 4


@dataclass(frozen=True)
class VerdictSentence:
    """The verdict of a comparison in readable form."""

    word: str
    headline: str
    """What changed in the leading question of each direction; if nothing did, how many questions are inconclusive or equivalent."""
    whole: str = ""
    """How rates over all images changed, if that is shown: told first, whatever is said of groups."""
    lost: bool = False
    """Whether a rate over all images is shown to have got worse."""
    cautions: tuple[str, ...] = ()
    """What the headline alone would hide: gaps that may have grown, and that an unchanged gap still exists."""
    leading: tuple[Change, ...] = ()
    """The changes that the headline names, or the first that can be estimated."""

    @property
    def sentence(self) -> str:
        """Return the change of the whole, headline and cautions, for use on its own."""
        return " ".join(filter(None, (self.whole, self.of_groups)))

    @property
    def with_word(self) -> str:
        """Return everything with the verdict's word, which is about groups."""
        return " ".join(filter(None, (self.whole, f"{self.word}.", self.of_groups)))

    @property
    def of_groups(self) -> str:
        """Return headline and cautions."""
        return " ".join(filter(None, (self.headline, *self.cautions)))


EXPLORATORY_ONLY = VerdictSentence("No verdict", "No question was planned: every comparison is exploratory.")


def outcome_counts(comparison: Comparison) -> tuple[tuple[str, str], ...]:
    """Return the outcomes of the planned questions, worst first, each with its count: ``2 gaps grew``, ``1 inconclusive``."""
    outcomes = [comparison_text.outcome(change) for change in comparison.changes if change.primary]
    counted = [(outcome, word, outcomes.count(outcome)) for outcome, word in _COUNTS.items() if outcome in outcomes]
    return tuple(
        (outcome, f"{count}{'' if i else ' gap' if count == 1 else ' gaps'} {word}") for i, (outcome, word, count) in enumerate(counted)
    )


def comparison_sentence(comparison: Comparison, settings: Settings) -> VerdictSentence:
    """Return the verdict of a comparison: one or a few words, its headline and what the headline would hide."""
    primary = sorted((change for change in comparison.changes if change.primary), key=comparison_text.by_weight)
    estimable = tuple(change for change in primary if change.gap)
    if not primary:
        return EXPLORATORY_ONLY
    word = comparison_text.VERDICTS[comparison_text.outcome(comparison)].word
    if comparison.limited:
        return VerdictSentence(word, "Only a sample of the images was compared: it settles nothing.", leading=estimable[:1])
    moved = whole_changes(comparison, settings)
    whole, lost = _whole(moved, comparison, settings), any(is_worse(change.overall, change) for change in moved)
    changed = _first_of_each([change for change in estimable if change.direction])
    if whole and not changed:
        word = f"{word} between groups"
    if not changed:
        headline, cautions = _unchanged(primary, comparison)
        cautions = (*cautions, *_without_verdict(primary, several=_has_several(primary)), *_missing_truth(primary, comparison, settings))
        return VerdictSentence(word, headline, whole, lost, cautions, estimable[:1])
    grown = [] if any(change.direction == "grew" for change in changed) else _may_have_grown(primary)
    counted = f"{word}; {len(grown)} may have grown" if grown else word
    several = _has_several(primary)
    clauses = [_clause(change, changed[:i], settings, several=several) for i, change in enumerate(changed)]
    cautions = (
        *_grown_sentence(grown, several=several), *_without_verdict(primary, several=several),
        *_missing_truth(primary, comparison, settings),
    )  # fmt: skip
    return VerdictSentence(counted, f"{upper_first('; '.join(clauses))}.", whole, lost, cautions, changed)


def _first_of_each(changed: Sequence[Change]) -> tuple[Change, ...]:
    """Return the first gap that is reversed, the first that grew and the first that shrank; at most two, worst first."""
    first: dict[str, Change] = {}
    for change in changed:
        first.setdefault(comparison_text.outcome(change), change)
    return tuple(first.values())[:2]


def _clause(change: Change, before: Sequence[Change], settings: Settings, *, several: bool) -> str:
    """Say how one gap changed, with both sizes: ``the gap in accuracy by race shrank from 7.9 to 2.8 points``.

    After clauses about gaps in the same rate, `before`, only the attribute is named: ``that by gender grew from …``.
    """
    if change.gap is None:
        return ""
    if change.direction == "reversed":
        gap = "the gap" if len(change.by_group) == 2 else "the largest gap between two groups"
        return f"{_places_changed(change, several=several)}; {gap} went {_sizes(change.gap, change)}"
    same = [other for other in before if other.direction != "reversed" and _same_rate(other, change)]
    named = f"that by {phrases.attributes(change.attributes)}" if same else f"the gap {in_tested_rate(change, several=several)}"
    sizes = _sizes(change.gap, change).removesuffix("\u00a0points") if same else _sizes(change.gap, change)
    return f"{named} {change.direction} {sizes}{_because(change, settings.alpha)}"


def _same_rate(one: Change, other: Change) -> bool:
    return (one.measurement, one.metric, one.outcome) == (other.measurement, other.metric, other.outcome)


def _because(change: Change, alpha: float) -> str:
    """Say if a gap shrank because groups got worse: a smaller gap of this kind improves nothing for anyone."""
    kind, worse = levelling(change, alpha), worse_cells(change, alpha)
    named = phrases.group(worse[0].before.group) if len(worse) == 1 else in_words(len(worse), "group")
    return f"{', partly' if kind.startswith('partly') else ''} because {named} got worse" if kind else ""


def whole_changes(comparison: Comparison, settings: Settings) -> list[Change]:
    """Return the changes whose rate over all images is shown to differ, those that got worse first."""
    shown = [change for change in of_whole(comparison.changes) if change.overall.difference and change.overall.p_adjusted <= settings.alpha]
    return sorted(shown, key=lambda change: (not is_worse(change.overall, change), change.overall.p_adjusted))


def _whole(moved: Sequence[Change], comparison: Comparison, settings: Settings) -> str:
    """Say how rates over all images changed: a smaller gap may cost everyone, and a model may be worse without any gap that changed."""
    several, family = _has_several(comparison.changes), len(of_whole(comparison.changes))
    named = [f"{comparison_text.rate_phrase(change, several=several)} {_by_how_much(change, settings)}" for change in moved[:_MOST_RATES]]
    more = [f"{in_words(len(moved) - _MOST_RATES, 'more rate')} of {family}"] if len(moved) > _MOST_RATES else []
    return f"Over all images, {'; '.join([*named, *more])}." if named else ""


def _by_how_much(change: Change, settings: Settings) -> str:
    """Return the direction and the size of the change of a rate over all images: ``fell by 2.3 points (95 % interval …)``."""
    cell, places = change.overall, comparison_text.few_places(change.overall)
    low, high = sorted(abs(edge or 0.0) for edge in (cell.low, cell.high))
    test = p_phrase(cell.p_adjusted, "p" if cell.p_adjusted == cell.p else "adjusted p")
    interval = f"{_level(settings)} interval {end(low, places)} to {end(high, places)}"
    return f"{'rose' if (cell.difference or 0.0) > 0 else 'fell'} by {points(abs(cell.difference or 0.0), places)} ({interval}, {test})"


def _by_accuracy(comparison: Comparison) -> list[Change]:
    """Return the planned changes, those of accuracy first: over all images, it says most about what a change costs."""
    primary = sorted((change for change in comparison.changes if change.primary), key=comparison_text.by_weight)
    return sorted(primary, key=lambda change: change.metric != "accuracy")


def _places_changed(change: Change, *, several: bool) -> str:
    """Name two groups that changed places."""
    pair = comparison_text.reversed_pair(change)
    if pair is None:
        return f"groups changed places {in_tested_rate(change, several=several)}"
    first, second = (phrases.group(group) for group in (pair.first, pair.second))
    higher = first if pair.after > 0 else second
    return f"{in_tested_rate(change, several=several)}, {first} and {second} changed places ({higher} is higher after)"


def _sizes(gap: GapChange, change: Change) -> str:
    places = comparison_text.few_places(change)
    return f"from {number(gap.before.value, places)} to {points(gap.after.value, places)}"


def _unchanged(primary: Sequence[Change], comparison: Comparison) -> tuple[str, tuple[str, ...]]:
    """Return headline and cautions if no gap changed: how many are undecided, and in which rates nothing changed that matters."""
    undecided, equal = ([change for change in primary if change.verdict == verdict] for verdict in ("inconclusive", "equivalent"))
    several = _has_several(primary)
    if not undecided and not equal:
        return f"Nothing can be compared: {_too_few(comparison.cluster)}.", ()
    if not undecided:
        limit = {exact_points(change.tolerance) for change in equal}
        within = f"the tolerance of {limit.pop()}" if len(limit) == 1 else "its tolerance"
        those = "" if len(equal) == len(primary) else " that can be estimated"
        headline = f"No gap{those} changed by more than {within}: {_rates(equal, several=several)}."
        return headline, ("A larger gap, if there was one, still exists.",)
    why = _why_withheld(undecided)
    if len(primary) == 1:
        return f"Undecided whether the gap {in_tested_rate(undecided[0], several=several)} changed{why}.", ()
    all_of = "either gap" if len(primary) == 2 else f"any of {len(primary)} gaps"
    headline = f"Undecided whether {all_of if len(undecided) == len(primary) else f'{len(undecided)} of {len(primary)} gaps'} changed{why}."
    unchanged = f"Not changed by more than the tolerance: {_rates(equal, several=several)}. Larger gaps, if there were any, still exist."
    return headline, (unchanged,) if equal else ()


def _why_withheld(undecided: Sequence[Change]) -> str:
    """Say that true answers are missing, if that is why questions are undecided."""
    withheld = sum(change.withheld is not None for change in undecided)
    return f": {MISSING}{'' if withheld == len(undecided) else f' in {withheld} of them'}" if withheld else ""


def _missing_truth(changes: Sequence[Change], comparison: Comparison, settings: Settings) -> list[str]:
    """Say where true answers are missing depending on the answers, for the first question whose verdict is withheld, or the first."""
    lacking = [change for change in changes if change.missing_truth and not comparison.same_model]
    if not lacking:
        return []
    first = min(lacking, key=lambda change: change.withheld is None)
    sentence, several = change_missing_sentence(first, settings.alpha), _has_several(changes)
    return [f"By {phrases.attributes(first.attributes)}, in {comparison_text.rate_phrase(first, several=several)}: {sentence}"]


def _without_verdict(changes: Sequence[Change], *, several: bool) -> list[str]:
    """Name the smaller gaps that do not count because the answers after have no verdict of their own."""
    named = [change for change in changes if without_verdict_after(change)]
    if not named:
        return []
    gaps, have = ("A smaller gap does", "it") if len(named) == 1 else (f"{len(named)} smaller gaps do", "them")
    return [f"{gaps} not count, in {_rates(named, several=several)}: the audit after has no verdict on {have} (“not estimable”)."]


def _may_have_grown(changes: Sequence[Change]) -> list[Change]:
    """Return the undecided gaps that are larger after, possibly by more than their tolerance; the most certain first."""
    undecided = [(change, change.gap) for change in changes if change.verdict == "inconclusive" and change.gap]
    larger = [(change, gap) for change, gap in undecided if gap.difference > 0 and gap.high > change.tolerance]
    return [change for change, _ in sorted(larger, key=lambda one: -one[1].low)]


def _grown_sentence(grown: Sequence[Change], *, several: bool) -> list[str]:
    """Name the first of the gaps that may have grown, so that one that shrank does not hide it."""
    if not grown or grown[0].gap is None:
        return []
    many = "1 undecided gap may" if len(grown) == 1 else f"{len(grown)} undecided gaps may"
    first = f"{'' if len(grown) == 1 else 'first '}{tested_rate(grown[0], several=several)}"
    return [f"{many} have grown: {first}, {comparison_text.change_size(grown[0].gap)}."]


def tested_rate(change: Change, *, several: bool) -> str:
    """Name the rate and the attributes of a question, with its measurement if there are `several`: ``accuracy by race``."""
    return f"{phrases.group((comparison_text.rate_phrase(change, several=several),))} by {phrases.attributes(change.attributes)}"


def in_tested_rate(change: Change, *, several: bool) -> str:
    """Return the same after "gap": ``in the share given ‘thief’ by race``."""
    return f"{comparison_text.in_rate(change, several=several)} by {phrases.attributes(change.attributes)}"


def _has_several(changes: Iterable[Change]) -> bool:
    return len({change.measurement for change in changes}) > 1


def _rates(changes: Sequence[Change], *, several: bool) -> str:
    """Name the first few rates: what holds of them holds of no other."""
    more = [in_words(len(changes) - _MOST_RATES, "more rate")] if len(changes) > _MOST_RATES else []
    return "; ".join([*(tested_rate(change, several=several) for change in changes[:_MOST_RATES]), *more])


def _too_few(cluster: str | None) -> str:
    return f"no two groups have enough images{'' if cluster is None else ' in enough clusters'}"


# ---- around the chart of the leading change ------------------------------------------------------------------------------------------


def moved_sentences(leading: Sequence[Change], comparison: Comparison, settings: Settings) -> list[str]:
    """Say of every change in the headline which groups' own rates got worse or improved, after correction, and by how much."""
    names = [f"By {phrases.attributes(change.attributes)}" for change in leading]
    if len(set(names)) < len(names):
        names = [question_title(change, comparison) for change in leading]
    moved = [_moved(change, settings) for change in leading]
    return [f"{name}: {said}." for name, said in zip(names, moved, strict=True)] if len(moved) > 1 else [f"{said}." for said in moved]


def _moved(change: Change, settings: Settings) -> str:
    """Name the groups that improved and those that got worse: ``b improved by 6.0 points; a and c got worse by 3.5 to 5.0 points``."""
    sides: dict[str, list[RateChange]] = {}
    for cell in moved_cells(change, settings.alpha):
        sides.setdefault(_did(cell, change), []).append(cell)
    places = comparison_text.few_places(change)
    named = [f"{_names(cells)} {did} by {_range(cells, places)}" for did, cells in sides.items()]
    return "; ".join(named) or "No single group’s rate in this question changed by more than chance would explain"


def _did(cell: RateChange, change: Change) -> str:
    if change.better == "neither":
        return "rose" if (cell.difference or 0.0) > 0 else "fell"
    return "got worse" if is_worse(cell, change) else "improved"


def _names(cells: Sequence[RateChange]) -> str:
    return phrases.listed([phrases.group(cell.before.group) for cell in cells])


def _range(cells: Sequence[RateChange], places: int) -> str:
    """Return the smallest and the largest change of rates in points, without a sign: ``3.5 to 5.0 points``."""
    sizes = sorted(abs(cell.difference or 0.0) for cell in cells)
    smallest, largest = number(sizes[0], places), points(sizes[-1], places)
    return largest if largest == points(sizes[0], places) else f"{smallest} to {largest}"


def change_tiles(verdict: VerdictSentence, comparison: Comparison, settings: Settings) -> tuple[tuple[str, str], ...]:
    """Return number and label: the change of each gap in the headline, what could have been detected, the change of all images."""
    if not verdict.leading:
        return ()
    first, several = verdict.leading[0], _has_several(change for change in comparison.changes if change.primary)
    overall = next((change for change in _by_accuracy(comparison) if change.measurement == first.measurement), first)
    tiles = [_gap_tile(change, settings, several=several) for change in verdict.leading]
    if len(tiles) < 2:
        tiles.append(_limit_tile(first))
    whole = _overall_tile(overall, settings, several=several)
    return (whole, *tiles) if verdict.whole else (*tiles, whole)


def _gap_tile(change: Change, settings: Settings, *, several: bool) -> tuple[str, str]:
    gap, places = change.gap, comparison_text.few_places(change)
    if gap is None:
        return phrases.size(None), tested_rate(change, several=several)
    interval = f"{_level(settings)} interval {end(gap.low, places, signed=True)} to {end(gap.high, places, signed=True)}"
    return _signed_points(gap.difference, places), f"change of the gap {in_tested_rate(change, several=several)}, {interval}"


def _limit_tile(change: Change) -> tuple[str, str]:
    """Return what could have been detected if the change is undecided, else the tolerance."""
    gap = change.gap
    if change.verdict == "inconclusive" and not change.withheld and gap is not None and gap.minimum_detectable < 1:
        detectable = points(gap.minimum_detectable, comparison_text.few_places(change))
        return detectable, "smallest change between two of these groups that would probably be detected"
    return exact_points(change.tolerance), "tolerance: a gap shown to change by less is equivalent"


def _overall_tile(change: Change, settings: Settings, *, several: bool) -> tuple[str, str]:
    cell, places = change.overall, comparison_text.few_places(change.overall)
    if cell.difference is None or cell.low is None or cell.high is None:
        return phrases.size(None), "change of all images"
    before, after = (percent(rate.value, places) for rate in (cell.before, cell.after))
    named = comparison_text.rate_phrase(change, several=several)
    interval = f"{_level(settings)} interval {end(cell.low, places, signed=True)} to {end(cell.high, places, signed=True)}"
    return _signed_points(cell.difference, places), f"{named} of all images, {before} to {after}; {interval}"


def _level(settings: Settings) -> str:
    return level(settings.alpha).replace(" ", "\u00a0")


def _signed_points(fraction: float, places: int) -> str:
    size = points(abs(fraction), places)
    return size if size == points(0.0, places) else f"{'+' if fraction > 0 else '−'}{size}"


def question_title(change: Change, comparison: Comparison) -> str:
    """Return a question's name on the page, with its measurement only if there are several: ``Accuracy by race``."""
    return upper_first(tested_rate(change, several=_has_several(comparison.changes)))


def models_legend(comparison: Comparison) -> tuple[tuple[str, str], tuple[str, str]]:
    """Say which dot is which model."""
    return ("hollow", f"before: {comparison.before}"), ("filled", f"after: {comparison.after}")


def groups_chart_caption(change: Change, alpha: float) -> str:
    """Say how to read the chart of groups before and after, and which groups are not compared."""
    sided = "red: worse, teal: better" if change.better != "neither" else "whether it is better or worse is not judged"
    of = f" images of ‘{change.confused[0]}’" if change.confused else ""
    return " ".join(
        [
            *(
                [f"In colour: groups whose own rate changed, corrected for the number of groups ({sided})."]
                if moved_cells(change, alpha)
                else []
            ),
            f"n\u00a0=\u00a0{count(change.overall.before.n)}{of}.",
            *not_compared([cell.before for cell in change.by_group]),
        ]
    )


def changes_caption(changes: Sequence[Change], family: int, settings: Settings) -> str:
    """Say how to read the list of questions: what a gap and its change are, the axis, and what the verdicts are corrected for."""
    tolerances = {exact_points(change.tolerance) for change in changes}
    shaded = f"the tolerance of {tolerances.pop()}" if len(tolerances) == 1 else "the tolerance of the question"
    every = {1: "the change", 2: "both changes"}.get(family, f"all {in_words(family, 'change')}")
    return (
        f"Gap: the highest rate minus the lowest, before → after; its change with the {level(settings.alpha)} interval. Left of 0 it "
        f"shrank, right of 0 it grew; shaded: {shaded}. Verdicts are corrected for {every} of planned questions on "
        "this page (Holm)."
    )


def moved_names(change: Change, alpha: float) -> str:
    """Name the groups whose own rate changed, after correction, with the change in points: ``Black +7.6, White −0.7``."""
    moved = [
        f"{phrases.group(cell.before.group)} {number(cell.difference or 0.0, comparison_text.few_places(cell), signed=True)}"
        for cell in moved_cells(change, alpha)
    ]
    more = f" and {len(moved) - _MOST_MOVED} more" if len(moved) > _MOST_MOVED else ""
    return f"{', '.join(moved[:_MOST_MOVED])}{more}"


# ---- several comparisons -------------------------------------------------------------------------------------------------------------


def comparison_counts(comparisons: Sequence[Comparison]) -> tuple[tuple[str, str], ...]:
    """Return the outcomes of several comparisons, worst first, each with its count: ``Gap grew in 2 of 5``."""
    outcomes = [comparison_text.outcome(comparison) for comparison in comparisons]
    order = ["gap reversed", "mixed", *_COUNTS]
    return tuple(
        (outcome, f"{comparison_text.VERDICTS[outcome].word} in {outcomes.count(outcome)} of {len(outcomes)}")
        for outcome in dict.fromkeys(order)
        if outcome in outcomes
    )


def models_chart_caption(first: str) -> str:
    """Say how to read the chart of several models that are compared with the first."""
    return (
        "Gap in points: the highest rate of a group minus the lowest (lower → higher rate); change: from "
        f"{first}, which stands first, paired by image. Below it: those whose gaps changed before the others."
    )


def models_chart_legend(changes: Sequence[Change], settings: Settings) -> tuple[tuple[str, str], ...]:
    """Say what each mark of that chart means."""
    outcomes = {comparison_text.outcome(change) for change in changes}
    tolerances = {exact_points(change.tolerance) for change in changes}
    return (
        *((outcome, comparison_text.VERDICTS[outcome].word.lower()) for outcome in _COUNTS if outcome in outcomes),
        ("estimate", f"gap and its {level(settings.alpha)} interval, joint for all pairs of groups"),
        ("tolerance", f"tolerance of {tolerances.pop()}" if len(tolerances) == 1 else "tolerance of the question"),
    )
