"""The headline of an audit, for every way in which an audit can end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from audit.records.base import Verdict
from audit.records.effect import EffectResult
from audit.records.finding import planned_verdicts
from audit.records.inputs import classes_not_compared, undeclared_units
from audit.results import AuditResult, Finding
from audit.statistics.severity import Criterion, by_severity, decisive
from audit.types import Group, Settings
from reports.text import phrases, sentences
from reports.text.analyses import beyond_chance, withheld
from reports.text.effects import effect_sentence, planned_effects
from reports.text.evidence import shift_sentence
from reports.text.headline.choices import not_compared_phrase
from reports.text.headline.differences import affected, caution, rate_name, size_in_words, size_sentence, statement
from reports.text.headline.left_out import without_columns
from reports.text.headline.unanswered import commonest, instead_of_answers, unanswered
from reports.text.headline.uncounted import uncounted_sentences
from reports.text.missing_truth import MISSING
from reports.text.numbers import count, exact_points, in_words, lower_first, points
from reports.text.order import planned, reversed_at_equal, strongest_signals
from reports.text.reasons import beyond_sentence, lacking_groups, ratio_sentences, undecided_sentence
from reports.text.responsiveness import brief_lead, composition_sentence, invalid_caveat, lead, stays_sentence
from reports.text.units import declare_step, repeated_sentence

Kind = Literal["disparity", "equivalent", "inconclusive", "not estimable", "unresponsive", "unanswered", "limited", "exploratory"]
HeadlineText = tuple[str, str, Sequence[str]]
_MOST_RATES, _MOST_TURNED, _MOST_LINES, _MOST_VERSIONS = 3, 2, 2, 2
_REST: dict[Verdict, str] = {"disparity": "Also unequal", "inconclusive": "Undecided", "equivalent": "Equivalent"}
_BELOW: dict[Criterion, str] = {
    "rank": "the probe ranks it lower", "diffuse": "no two groups stand out", "harm": "what harms people more comes first",
    "age": "this report puts age last", "size": "less certain",
}  # fmt: skip
"""Why a disparity with a larger gap is below the headline."""
_ASKED_AGAIN = "Not planned: a reason to test again with new images, not a verdict."


@dataclass(frozen=True)
class AttributeLine:
    """The worst finding by attributes other than those of the headline, or what is left of them in one line."""

    verdict: Verdict
    sentence: str


@dataclass(frozen=True)
class Headline:
    """What a reader must know first."""

    kind: Kind
    """How the audit ended; `unresponsive`: no evidence that the model uses the images; `unanswered`: no question that was sent got an
    answer; `limited`: only a sample of the images; `exploratory`: no planned question."""
    verdict: Verdict
    """The audit's verdict, which decides icon and colour."""
    word: str
    scope: str
    """For how many questions it holds, and what was left out: ``2 of 3 planned questions, without ‘city’ (60 levels)``."""
    caveat: str
    """Printed before the verdict: that the probe is not a valid test of the model. Otherwise empty."""
    lead: str
    """Printed before the headline: in which measurements there is no evidence that the model uses the images. Otherwise empty."""
    sentence: str
    """The headline: group first, then the number."""
    size: str
    """Its uncertainty: ``The gap is 8 points (95 % interval 5 to 11).``"""
    cautions: tuple[str, ...]
    """How adjustment for other attributes or group composition changes a disparity, and why a difference that looks like one is
    undecided: the verdict would mislead without them. Then what is not compared, and which rows repeat in a group; last, that several
    versions of the model answered."""
    details: tuple[str, ...]
    """Further sentences that belong to the headline."""
    lines: tuple[AttributeLine, ...]
    """With a disparity, one line per other attribute that has one; then one for what is undecided, and one for what is equivalent."""
    signal: str
    """The strongest signal of the exploratory comparisons, if any; empty with a disparity."""
    finding: Finding | None
    """The leading finding, which sentence and chart show. None if no groups can be compared."""
    affected: tuple[Group, ...]
    """The groups of the finding that are shown in the colour of the verdict."""
    visible: Finding | None
    """The signal in the headline if no planned question shows a disparity but an exploratory comparison exceeds the tolerance."""

    @property
    def verdict_line(self) -> str:
        """Return the verdict and its scope: ``Disparity · 2 of 3 planned questions``."""
        return " · ".join(filter(None, (self.word, self.scope)))

    @property
    def text(self) -> str:
        """Return the headline preceded by the caveat, for use on its own."""
        return " ".join(filter(None, (self.caveat, self.body)))

    @property
    def body(self) -> str:
        """Return the headline, its uncertainty and its cautions, for places that print the caveat separately."""
        return " ".join(filter(None, (self.lead, self.sentence, self.size, *self.cautions)))


def headline_of(audit: AuditResult, settings: Settings) -> Headline:
    """Return the headline of an audit."""
    primary = planned(audit.findings)
    kind = _kind(audit, primary)
    visible = _visible(audit, kind)
    effect = _led_by(audit, primary, kind)
    texts = (effect_sentence(effect, settings.alpha), "", ()) if effect else _SAID[kind](audit, primary, settings)
    sentence, size, details = _beside(visible, texts, audit, settings) if visible else texts
    # If the model does not respond to the images, its gap cannot be the leading finding.
    candidates = [finding for finding in primary if finding.gap and not (kind == "not estimable" and finding.unresponsive)]
    leading = commonest(audit, primary) if kind == "unanswered" else next(iter(candidates), None)
    leading = None if effect else leading
    cautions = () if effect else _cautions(audit, primary, kind, settings)
    return Headline(
        kind,
        audit.verdict,
        "No verdict" if kind == "exploratory" else sentences.VERDICTS[audit.verdict].word,
        ", ".join(filter(None, (_scope(audit, kind), without_columns(audit), not_compared_phrase(audit)))),
        "" if kind == "unanswered" else invalid_caveat(audit),
        "" if kind in ("unresponsive", "unanswered") else brief_lead(audit),
        sentence,
        size,
        tuple(filter(None, (*cautions, _classes_sentence(audit, kind), *uncounted_sentences(audit, settings), _versions_sentence(audit)))),
        tuple(filter(None, details)),
        (*_effect_lines(audit, effect, settings), *_lines(audit, primary, led=effect is not None)) if kind == "disparity" else (),
        _ASKED_AGAIN if visible else _not_planned(audit, kind, settings),
        leading,
        affected(leading) if leading and kind == "disparity" else (),
        visible,
    )


def _versions_sentence(audit: AuditResult) -> str:
    """Say which versions of a model that was asked over a network answered; empty if there was only one."""
    names = [name or "not named" for name in audit.account.version_names] if audit.account else []
    if len(names) < _MOST_VERSIONS:
        return ""
    more = len(names) - _MOST_VERSIONS
    many = count(len(names)) if more else "Two"
    shown = f"{', '.join(names[:_MOST_VERSIONS])} and {more} more" if more else " and ".join(names)
    return f"{many} versions of the model answered: {shown}."


def _kind(audit: AuditResult, primary: Sequence[Finding]) -> Kind:
    if audit.verdict != "disparity" and instead_of_answers(audit):
        return "unanswered"
    if not primary and not planned_effects(audit):
        return "exploratory"
    if audit.data.limited:
        return "limited"
    if audit.verdict == "not estimable" and undeclared_units(audit.data.notes):
        return "not estimable"
    blind = lead(audit) and all(finding.unresponsive for finding in primary) and audit.verdict == "not estimable"
    return "unresponsive" if blind else audit.verdict


def _led_by(audit: AuditResult, primary: Sequence[Finding], kind: Kind) -> EffectResult | None:
    """Return the question about scores or a trend that decides the verdict, if no planned rate has this verdict."""
    effects = [effect for effect in planned_effects(audit) if effect.verdict == kind]
    decided = any(finding.verdict == kind for finding in primary)
    return effects[0] if effects and not decided else None


def _effect_lines(audit: AuditResult, led: EffectResult | None, settings: Settings) -> tuple[AttributeLine, ...]:
    """Return a line for each question about scores or a trend that shows a disparity, besides the one of the headline."""
    others = [effect for effect in planned_effects(audit) if effect.verdict == "disparity" and effect is not led]
    return tuple(AttributeLine("disparity", effect_sentence(effect, settings.alpha)) for effect in others[:_MOST_LINES])


def _scope(audit: AuditResult, kind: Kind) -> str:
    verdicts = planned_verdicts((*audit.findings, *audit.effects))
    many, of = verdicts.count(audit.verdict), len(verdicts)
    if kind in ("limited", "exploratory") or many == 0:
        return in_words(of, "planned question")
    if of == 1:
        return "the one planned question"
    every = "both" if of == 2 else f"all {of}"
    return f"{every} planned questions" if many == of else f"{many} of {of} planned questions"


def _visible(audit: AuditResult, kind: Kind) -> Finding | None:
    """Return the strongest signal if it exceeds the tolerance while the planned questions are equivalent or inconclusive."""
    strongest = _telling_signals(audit)[:1] if kind in ("equivalent", "inconclusive") else ()
    return next((signal for signal in strongest if signal.gap and signal.gap.low > signal.tolerance), None)


def _telling_signals(audit: AuditResult) -> list[Finding]:
    """Return the strongest signals without error rates by a column that may judge the truth again: they say who judged, not who errs."""
    again = {note.values.get("column") for note in audit.data.notes if note.code == "judged_again"}
    return [signal for signal in strongest_signals(audit.findings) if signal.metric == "accuracy" or not again & {*signal.attributes}]


def _beside(signal: Finding, texts: HeadlineText, audit: AuditResult, settings: Settings) -> HeadlineText:
    planned = "equivalent" if audit.verdict == "equivalent" else "undecided"
    sentence = f"Planned questions: {planned}. Unplanned: {lower_first(statement(signal, audit))}."
    return sentence, size_sentence(signal, settings), (f"Planned: {lower_first(texts[0])}", *texts[2])


def _not_planned(audit: AuditResult, kind: Kind, settings: Settings) -> str:
    """Name what was not planned but is visible, unless a planned question shows a disparity: the section below has it."""
    return "" if kind == "disparity" else _signal(audit) or _beyond_chance(audit, kind, settings)


def _signal(audit: AuditResult) -> str:
    strongest = next(iter(_telling_signals(audit)), None)
    pair = None if strongest is None else phrases.leading_pair(strongest)
    if strongest is None or pair is None:
        return ""
    size = f"The {'widest gap' if strongest.diffuse else 'gap'} is {points(pair.difference, phrases.gap_places(strongest))}."
    return f"Not planned, but visible: {lower_first(statement(strongest, audit))}. {size}"


def _beyond_chance(audit: AuditResult, kind: Kind, settings: Settings) -> str:
    """Name the analyses that find differences in an audit whose questions have no verdict."""
    analyses = beyond_chance(audit, settings) if kind in ("unresponsive", "not estimable", "exploratory") else ()
    if not analyses:
        return ""
    named = " and ".join(filter(None, (", ".join(analyses[:-1]), analyses[-1])))
    return f"Not planned, but visible: differences beyond chance in {named}."


def _cautions(audit: AuditResult, primary: Sequence[Finding], kind: Kind, settings: Settings) -> tuple[str, ...]:
    """Return what a reader of a disparity must also know, and why a difference that looks like one is undecided."""
    if kind == "inconclusive":  # what true answers that are missing may change is said with their numbers
        return () if primary[0].withheld else (undecided_sentence(primary[0], audit, settings),)
    if kind != "disparity":
        return ()
    turned = [_turned(finding, audit) for finding in primary[1:] if reversed_at_equal(finding)][:_MOST_TURNED]
    return tuple(filter(None, (stays_sentence(primary[0]), shift_sentence(primary[0]), composition_sentence(primary[0]), *turned)))


def _classes_sentence(audit: AuditResult, kind: Kind) -> str:
    """Say that no class was compared by itself, where "equivalent" would be read as "in every class"."""
    classes = classes_not_compared(audit.data.notes) if kind == "equivalent" else 0
    return f"None of the {count(classes)} classes was compared by itself: a gap in one of them may be lost in the whole." if classes else ""


def _turned(finding: Finding, audit: AuditResult) -> str:
    """Name another question whose order of groups is reversed at equal other attributes."""
    rate = rate_name(finding, audit)
    return f"{rate[:1].upper()}{rate[1:]} by {phrases.attributes(finding.attributes)} is reversed: {shift_sentence(finding)}"


# ---- one function for each kind: headline, size and details ----------------------------------------------------------------------------


def _disparity(audit: AuditResult, primary: Sequence[Finding], settings: Settings) -> HeadlineText:
    leading = primary[0]
    sentence = ", ".join(filter(None, (statement(leading, audit, natural=True), caution(leading))))
    return f"{sentence}.", size_sentence(leading, settings), (beyond_sentence(leading),)


def _lines(audit: AuditResult, primary: Sequence[Finding], *, led: bool) -> tuple[AttributeLine, ...]:
    """Return the lines of the attributes that the headline does not name, the worst finding of each; of all, if it names no rate.

    Then what is undecided, and what is equivalent: every planned question, counted where there are several: the next section names them.
    """
    worst = {finding.attributes: finding for finding in reversed(primary)}
    others = sorted((finding for by, finding in worst.items() if led or by != primary[0].attributes), key=by_severity)
    apart = [finding for finding in others if finding.verdict == "disparity"]
    lines = [AttributeLine("disparity", _line(finding, primary[0], audit)) for finding in apart[:_MOST_LINES]]
    for verdict, word in _REST.items():
        left = apart[_MOST_LINES:] if verdict == "disparity" else [finding for finding in primary if finding.verdict == verdict]
        named = verdict == "disparity" or len(left) == 1
        lines += [AttributeLine(verdict, f"{word}: {_rates(left, audit) if named else in_words(len(left), 'question')}.")] if left else []
    return tuple(lines)


def _line(finding: Finding, leading: Finding, audit: AuditResult) -> str:
    """Return one disparity as a line and, if its gap is larger than that of the headline, why it is below."""
    own, first = phrases.leading_pair(finding), phrases.leading_pair(leading)
    larger = own is not None and first is not None and own.difference > first.difference
    below = f" A larger gap, but {_BELOW[decisive(leading, finding)]}." if larger else ""
    return f"{', '.join(filter(None, (statement(finding, audit), caution(finding))))}.{below}"


def _equivalent(audit: AuditResult, primary: Sequence[Finding], settings: Settings) -> HeadlineText:
    where = "" if len(primary) == 1 else f" in {_all(len(primary))}"
    overall = "Overall, no" if classes_not_compared(audit.data.notes) else "No"
    widest = max((finding for finding in primary if finding.gap), key=lambda finding: finding.gap.high if finding.gap else 0.0)
    return f"{overall} difference that matters{where}: {_within(primary, audit)}.", _tested(widest, audit, settings), ()


def _tested(finding: Finding, audit: AuditResult, settings: Settings) -> str:
    """Name the most uncertain pair with what the verdict rests on: the bound of the equivalence test."""
    pair, bound = phrases.leading_pair(finding), phrases.tested_bound(finding)
    if pair is None or bound is None:
        return _most_open(finding, audit, settings)
    first, second = (phrases.group(group) for group in phrases.leading_groups(finding))
    gap = points(pair.difference, phrases.gap_places(finding))
    level, most = f"{100 * (1 - 2 * settings.alpha):g}\u00a0%", phrases.bound_text(finding, bound)
    rate = f"{rate_name(finding, audit)} by {phrases.attributes(finding.attributes)}"
    return f"In {rate}, {first} and {second} differ by {gap}, and no two groups by more than {most} (equivalence test, {level})."


def _inconclusive(audit: AuditResult, primary: Sequence[Finding], settings: Settings) -> HeadlineText:
    undecided, equal = ([finding for finding in primary if finding.verdict == verdict] for verdict in ("inconclusive", "equivalent"))
    equal_too = f"In {in_words(len(equal), 'question')}, {_within(equal, audit)}." if equal else ""
    beside = f"; no difference that matters in {len(equal)}" if equal else ""
    where = "" if len(undecided) == len(primary) else f" in {len(undecided) or len(primary) - len(equal)} of {len(primary)} questions"
    if not undecided:
        return f"Too few images to tell{where}{beside}.", "", (equal_too,)
    first = undecided[0]
    if withheld := sum(finding.withheld is not None for finding in undecided):
        of = "them" if where else f"{len(undecided)} questions"
        some = "" if withheld == len(undecided) else f"in {withheld} of {of}, "
        return f"Undecided{where}: {some}{MISSING}{beside}.", _most_open(first, audit, settings), (equal_too,)
    details = (_never_enough(undecided), *ratio_sentences(first), equal_too)
    return f"{_undecided(undecided, where)}{beside}.", _most_open(first, audit, settings), details


def _is_never_enough(undecided: Sequence[Finding]) -> bool:
    """Whether every undecided question has groups too small to show equivalence, regardless of the answers."""
    return all(finding.gap and finding.gap.too_few for finding in undecided)


def _never_enough(undecided: Sequence[Finding]) -> str:
    if not _is_never_enough(undecided):
        return ""
    tolerance = exact_points(max(finding.tolerance for finding in undecided))
    return f"Even without a single error, so few images could not show that groups differ by less than {tolerance}."


def _undecided(undecided: Sequence[Finding], where: str) -> str:
    """Say which groups have too few images if that leaves every question undecided; else the smallest difference that would show."""
    if _is_never_enough(undecided):
        return f"Too few images of {lacking_groups(undecided)} to tell{where}"
    smallest = min(undecided, key=lambda finding: finding.gap.minimum_detectable if finding.gap else 1.0)
    detectable = smallest.gap.minimum_detectable if smallest.gap else 1.0
    if detectable <= smallest.tolerance:
        within = phrases.tolerances(smallest)
        return f"Undecided{where}: the images show neither a difference nor its absence within {within}"
    if detectable >= 1:
        return f"Too few images to tell{where}: no difference, however large, could be reliably detected"
    least = points(detectable, phrases.gap_places(smallest))
    best = f"at best, by {phrases.attributes(smallest.attributes)}, " if len(undecided) > 1 else ""
    return f"Too few images to tell{where}: {best}only differences above {least} could be detected"


def _not_estimable(audit: AuditResult, primary: Sequence[Finding], settings: Settings) -> HeadlineText:
    if together := repeated_sentence(audit):
        return f"Nothing can be judged. {together}", "", (declare_step(audit),)
    clusters = "" if audit.data.cluster is None else " in enough clusters"
    enough = f"at least {settings.min_group_size} images that count{clusters}"
    if blind := sum(bool(finding.unresponsive) for finding in primary):
        few = f"in {len(primary) - blind} no two groups have {enough}"
        unshown = f"in {blind} of {len(primary)} questions we found no evidence that the answers depend on the images"
        return f"Nothing can be judged: {unshown}, {few}.", "", ()
    return f"Nothing can be compared: no two groups have {enough}.", "", ()


def _unresponsive(audit: AuditResult, primary: Sequence[Finding], settings: Settings) -> HeadlineText:
    return lead(audit), "", ("So the answers say nothing about groups, and no gap is judged.",)


def _limited(audit: AuditResult, primary: Sequence[Finding], settings: Settings) -> HeadlineText:
    sample = f"A sample of {in_words(audit.data.used, 'image')} settles nothing: its verdict is always “inconclusive”."
    leading = next((finding for finding in primary if finding.gap), None)
    return sample, _most_open(leading, audit, settings) if leading else "", ()


def _exploratory(audit: AuditResult, primary: Sequence[Finding], settings: Settings) -> HeadlineText:
    return no_question(audit), "", ()


def no_question(audit: AuditResult) -> str:
    """Say why no question has a verdict: none was planned, none is answered, or none was asked as its plan lock has it."""
    if why := withheld(audit) or repeated_sentence(audit):
        return why
    if audit.lock and audit.lock.missing:
        return "No question was asked as the plan lock has it: every comparison is exploratory."
    return "No question was planned: every comparison is exploratory."


_SAID = {
    "disparity": _disparity, "equivalent": _equivalent, "inconclusive": _inconclusive, "not estimable": _not_estimable,
    "unresponsive": _unresponsive, "unanswered": unanswered, "limited": _limited,
    "exploratory": _exploratory,
}  # fmt: skip


def _within(equal: Sequence[Finding], audit: AuditResult) -> str:
    """Name the rates in which differences are small: only those that were tested."""
    tolerances = {phrases.tolerances(finding) for finding in equal}
    less = tolerances.pop() if len(tolerances) == 1 else "their tolerance"
    return f"any two compared groups differ by less than {less} in {_rates(equal, audit)}"


def _rates(findings: Sequence[Finding], audit: AuditResult) -> str:
    """Name the first rates of some findings, each with all of its attributes: ``role accuracy by tone and gender``."""
    by: dict[str, list[str]] = {}
    for finding in findings:
        by.setdefault(rate_name(finding, audit), []).append(phrases.attributes(finding.attributes))
    rates = [f"{rate} by {' and '.join(filter(None, (', '.join(names[:-1]), names[-1])))}" for rate, names in by.items()]
    more = [in_words(len(rates) - _MOST_RATES, "more rate")] if len(rates) > _MOST_RATES else []
    return "; ".join([*rates[:_MOST_RATES], *more])


def _most_open(finding: Finding, audit: AuditResult, settings: Settings) -> str:
    """Name the pair that may differ most: ``In role accuracy by race, White and Black may differ most: 5 points (95 % interval …).``"""
    pair = phrases.leading_pair(finding)
    if pair is None:
        return ""
    size = size_in_words(finding, pair, settings)
    rate = f"{rate_name(finding, audit)} by {phrases.attributes(finding.attributes)}"
    if phrases.number_compared(finding) == 2:
        return f"The gap in {rate} is {size}."
    first, second = (phrases.group(group) for group in phrases.leading_groups(finding))
    return f"In {rate}, {first} and {second} may differ most: {size}."


def _all(questions: int) -> str:
    return "either question" if questions == 2 else f"any of {questions} questions"
