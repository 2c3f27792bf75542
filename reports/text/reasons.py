"""Sentences that say why a finding, or an audit, has its verdict."""

from __future__ import annotations

from collections.abc import Sequence

from audit.records.base import Verdict
from audit.records.finding import Gap, MoreImages, Rate, planned_verdicts
from audit.results import AuditResult, Finding
from audit.types import Exclusion, Settings
from reports.text import phrases
from reports.text.evidence import borrowed_sentence, shift_sentence, within_sentence
from reports.text.missing_truth import MISSING_TAG, remains_sentence, withheld_sentence
from reports.text.notes import sentence
from reports.text.numbers import count, exact_points, in_words, p_phrase, p_value, percent, points, times, upper_first
from reports.text.responsiveness import composition_sentence, stays_sentence, why_unresponsive
from strictio.images.decode import explained

LIMITED = "LIMITED RUN: a sample of the images settles nothing."
FEWEST_CLUSTERS = 15
"""A group in fewer clusters is not judged (`audit.statistics.units`)."""
_MOST_NEEDED = 3
_COUNTED: tuple[tuple[Verdict, str, str], ...] = (
    ("disparity", "shows a disparity", "show a disparity"),
    ("inconclusive", "is inconclusive", "are inconclusive"),
    ("not estimable", "cannot be estimated", "cannot be estimated"),
    ("equivalent", "is equivalent within its tolerance", "are equivalent within their tolerance"),
)


def reason(finding: Finding, audit: AuditResult, settings: Settings) -> str:
    """Say why a finding has its verdict, and which groups and images the verdict does not cover."""
    limited, measured = [LIMITED] * audit.data.limited, [_measured(finding, audit, finding.gap)] if finding.gap else []
    covered = not_covered(audit.data.exclusions) if finding.verdict == "equivalent" else []
    return " ".join([*limited, *measured, *explanation(finding, audit, settings), *not_compared(finding.by_group), *covered])


def explanation(finding: Finding, audit: AuditResult, settings: Settings) -> list[str]:
    """Return what a verdict adds to the measured gap, and how adjustment for other attributes or composition changes it."""
    if finding.gap is None:
        return [_why_not_estimable(finding, settings)]
    unresponsive = [_unresponsive(finding, audit)] if finding.unresponsive else []
    return [
        *_explained(finding, audit, settings),
        *unresponsive,
        *filter(None, [within_sentence(finding), borrowed_sentence(finding), stays_sentence(finding)]),
        *filter(None, [shift_sentence(finding), composition_sentence(finding)]),
    ]


def audit_reason(audit: AuditResult) -> str:
    """Count the primary questions by verdict, and say which images the audit does not cover."""
    verdicts = planned_verdicts((*audit.findings, *audit.effects))
    if not verdicts:
        return "This audit has no primary question, so it has no verdict."
    parts: list[str] = []
    for verdict, one, many in _COUNTED:
        if count := verdicts.count(verdict):
            of = f" of {in_words(len(verdicts), 'question')}" if not parts else ""
            parts.append(f"{count}{of} {one if count == 1 else many}")
    return " ".join(
        [*[LIMITED] * audit.data.limited, f"{', '.join(parts)}.", *in_suite(audit), *weighted(audit), *not_covered(audit.data.exclusions)]
    )


def in_suite(audit: AuditResult) -> list[str]:
    """Name the probes over which p is adjusted if the probe is part of a suite."""
    suite = audit.suite
    if suite is None:
        return []
    tested = f"{in_words(suite.planned, 'question')} and {in_words(suite.exploratory, 'exploratory comparison')}"
    return [f"Part of the suite “{suite.name}”: p is adjusted over {tested} of {', '.join(suite.probes)}."]


def weighted(audit: AuditResult) -> list[str]:
    """Say by which column images are weighted, if they are."""
    column = audit.data.weights
    return [] if column is None else [f"Rates, intervals and tests are weighted by the column “{column}”; n counts images."]


def not_compared(rates: Sequence[Rate]) -> list[str]:
    """Name the groups that a verdict does not cover, since an audit without them is not about all people."""
    others = [f"{phrases.group(rate.group)} ({phrases.sized(rate)})" for rate in rates if rate.status != "ok"]
    return [f"Not compared: {phrases.some(others)}."] if others else []


def not_covered(exclusions: Sequence[Exclusion]) -> list[str]:
    """Name the images that a verdict does not cover."""
    left_out = [f"{in_words(exclusion.count, 'image')} left out ({explained(sentence(exclusion.reason))})" for exclusion in exclusions]
    return [f"Not covered: {'; '.join(left_out)}."] if left_out else []


def too_few_groups(rates: Sequence[Rate], settings: Settings, *, clusters: bool, counted: str) -> str:
    """Say what a comparison needs, and how many groups have it."""
    in_clusters = f" in at least {FEWEST_CLUSTERS} clusters" if clusters else ""
    enough = sum(rate.status == "ok" for rate in rates)
    has_weights = any(rate.effective_n is not None for rate in rates)
    fewest = max(settings.min_group_size, FEWEST_CLUSTERS if has_weights else 2)
    images = f"{'effectively ' * has_weights}at least {fewest} images that count{counted}"
    return f"A comparison needs two groups with {images}{in_clusters}; {enough or 'none'} of {len(rates)} has."


def pairs_phrase(groups: int) -> str:
    """Return a phrase for all pairs of groups: ``every one of the 21 pairs``."""
    pairs = groups * (groups - 1) // 2
    return f"every one of the {pairs} pairs" if pairs > 1 else "the pair"


def _why_not_estimable(finding: Finding, settings: Settings) -> str:
    subject = _subject(finding)
    if finding.overall.n == 0:
        return f"No image counts for the {subject}."
    return too_few_groups(finding.by_group, settings, clusters=finding.overall.clusters is not None, counted=f" for the {subject}")


def _unresponsive(finding: Finding, audit: AuditResult) -> str:
    return f"This says nothing about groups: {why_unresponsive(finding, audit)}."


def _measured(finding: Finding, audit: AuditResult, gap: Gap) -> str:
    pair = phrases.leading_pair(finding)
    first, second = (_rate(phrases.rate_of(finding, group)) for group in (pair.higher, pair.lower)) if pair else ("", "")
    subject = _subject(finding)
    chance = "" if finding.diffuse or pair is None else f"; expected by chance (95 %): up to {points(pair.chance, 1)}"
    rates = f"runs from {second} to {first}: a gap" if finding.diffuse else f"is {first} against {second}: a difference"
    return f"{subject[0].upper()}{subject[1:]} {rates} of {phrases.gap_text(finding)} ({p_words(finding, audit, gap)}{chance})."


def p_words(finding: Finding, audit: AuditResult, gap: Gap) -> str:
    """Return the p of a question before and after correction: ``p = .027 for this question, .37 after correction for 16 questions``."""
    family = sum(other.gap is not None for other in audit.findings if other.primary == finding.primary)
    family += sum(effect.p is not None for effect in audit.effects if effect.primary) if finding.primary else 0
    if audit.suite is not None:
        family = audit.suite.planned if finding.primary else audit.suite.exploratory
    if family < 2 or p_value(gap.p) == p_value(gap.p_adjusted):
        return p_phrase(gap.p_adjusted, "adjusted p" if family > 1 else "p")
    what = "questions" if finding.primary else "exploratory comparisons"
    return f"{p_phrase(gap.p)} for this question, {p_value(gap.p_adjusted)} after correction for {count(family)} {what}"


def undecided_sentence(finding: Finding, audit: AuditResult, settings: Settings) -> str:
    """Say why a difference is undecided although its p, its interval or chance alone would suggest otherwise; empty if none does."""
    gap, pair = finding.gap, phrases.leading_pair(finding)
    if gap is None or pair is None or audit.data.limited or finding.verdict not in ("inconclusive", "no signal"):
        return ""
    if finding.withheld:
        return withheld_sentence(finding, settings.alpha)
    if gap.p_adjusted <= settings.alpha:
        return f"Undecided: {p_words(finding, audit, gap)}, but the interval of the difference includes 0; with two groups, both count."
    if gap.p <= settings.alpha:
        return f"Undecided: {p_words(finding, audit, gap)}."
    if pair.low > 0 or pair.difference > pair.chance:
        what = "the interval excludes 0" if pair.low > 0 else "the difference exceeds what is expected by chance"
        return f"Undecided: {what}, but the test of all groups does not reject ({p_words(finding, audit, gap)})."
    return ""


def undecided_tag(finding: Finding, audit: AuditResult, settings: Settings) -> str:
    """Return the same as a tag for a list: ``p = .027, corrected .37``."""
    if finding.withheld:
        return MISSING_TAG
    if not finding.gap or not undecided_sentence(finding, audit, settings):
        return ""
    corrected = "" if p_value(finding.gap.p) == p_value(finding.gap.p_adjusted) else f", corrected {p_value(finding.gap.p_adjusted)}"
    return f"{p_phrase(finding.gap.p)}{corrected}"


def _explained(finding: Finding, audit: AuditResult, settings: Settings) -> list[str]:
    """Return what the verdict adds to the measured gap; a limited run adds no verdict of its own."""
    gap = finding.gap
    if gap is None:
        return []
    if finding.verdict == "signal":
        planned = "It was not planned: a reason to test again with new images, not a verdict."
        return [*[phrases.diffuse(finding)] * finding.diffuse, *remains_sentence(finding, settings.alpha), planned]
    if finding.verdict == "equivalent":
        return _why_equivalent(finding, gap, settings)
    if finding.verdict == "disparity":
        return [*[phrases.diffuse(finding)] * finding.diffuse, beyond_sentence(finding), *remains_sentence(finding, settings.alpha)]
    why = undecided_sentence(finding, audit, settings)
    if finding.verdict == "inconclusive" and not audit.data.limited and not finding.withheld:
        return [
            *filter(None, [why]),
            f"Too few images to tell: they show neither a difference in {_subject(finding)} nor its absence within "
            f"{phrases.tolerances(finding)}; for the smallest group, they could reliably detect only differences above "
            f"{points(gap.minimum_detectable, 1)}.",
            *filter(None, [too_few_sentence(finding)]),
            *ratio_sentences(finding),
            *filter(None, [needs_sentence(finding)]),
        ]
    return [why] if why else []


def beyond_sentence(finding: Finding) -> str:
    """Say whether a disparity exceeds its tolerance, in points or in ratio."""
    gap, tolerance, ratio = finding.gap, exact_points(finding.tolerance), finding.ratio_tolerance
    if gap is None:
        return ""
    if finding.exceeds_tolerance and not beyond_in_ratio_alone(finding):
        return _beyond_points(finding, tolerance)
    inside = f"In points, every pair is within the tolerance of {tolerance}" if within_points(finding) else ""
    if finding.exceeds_tolerance and gap.ratio_low is not None:
        least = f"one {phrases.rare_rate(finding)} is at least {times(gap.ratio_low)} times another"
        some = f"{upper_first(least)}, corrected for all pairs: the tolerance is a factor of {ratio:g}"
        return f"{some}. {inside or f'That a pair differs by more than {tolerance} is not shown'}."
    if inside and ratio is not None:
        rates = phrases.rare_rates(finding)
        return f"{inside}. That groups differ is shown; that their {rates} differ by more than a factor of {ratio:g} is not."
    return f"That groups differ is shown; that any two differ by more than the tolerance of {phrases.tolerances(finding)} is not."


def beyond_in_ratio_alone(finding: Finding) -> bool:
    """Whether a disparity significantly exceeds its tolerance in ratio but not the one in points."""
    gap = finding.gap
    return finding.exceeds_tolerance and gap is not None and gap.ratio_low is not None and gap.low <= finding.tolerance


def _beyond_points(finding: Finding, tolerance: str) -> str:
    """Say how many pairs differ by more than the tolerance; name the other one if there are two."""
    if len(finding.pairs) == 1:
        return f"That is more than the tolerance of {tolerance}."
    beyond, of = [{pair.first, pair.second} for pair in finding.pairs if pair.beyond_tolerance], count(len(finding.pairs))
    named = {*phrases.leading_groups(finding)}
    if beyond == [named]:
        return f"Of {of} pairs, only this one is shown to exceed {tolerance}."
    if len(beyond) == 2 and named in beyond:
        second = " against ".join(sorted(phrases.group(group) for other in beyond if other != named for group in other))
        return f"Of {of} pairs, this one and {second} are shown to exceed {tolerance}."
    return f"{count(len(beyond))} of {of} pairs {'is' if len(beyond) == 1 else 'are'} shown to exceed {tolerance}."


def within_points(finding: Finding) -> bool:
    """Whether every pair is shown to differ by less than the tolerance in points."""
    gap = finding.gap
    return gap is not None and gap.equivalence_bound is not None and gap.equivalence_bound < finding.tolerance


def rule_sentence(finding: Finding) -> str:
    """Say why groups are equivalent although the interval of the gap reaches beyond the tolerance; empty if it does not."""
    gap = finding.gap
    if gap is None or finding.verdict != "equivalent" or gap.high < finding.tolerance:
        return ""
    tolerance = exact_points(finding.tolerance)
    return f"Every pair passes the equivalence test (±{tolerance}), which is less strict than the joint interval shown."


def ratio_sentences(finding: Finding) -> list[str]:
    """Say by what factor low rates differ, or may differ if only the ratio is undecided, or why the ratio is unbounded."""
    gap, rates = finding.gap, phrases.rare_rates(finding)
    if finding.ratio_tolerance is None or gap is None:
        return []
    if finding.verdict == "disparity" and gap.ratio_low is not None and gap.ratio_low > finding.ratio_tolerance:
        return [f"The {rates} of at least one pair differ by a factor of {times(gap.ratio_low)} or more."]
    if finding.verdict != "inconclusive" or finding.withheld or not within_points(finding):
        return []
    inside = f"Every pair lies within ±{exact_points(finding.tolerance)}"
    if gap.equivalence_ratio is not None:
        return [f"{inside}; {rates} may differ by a factor of up to {times(gap.equivalence_ratio)}."]
    judged = [rate for rate in finding.by_group if rate.status == "ok"]
    empty = [phrases.group(rate.group) for rate in judged if rate.events == (rate.n if finding.ratio_of_rest else 0)]
    nothing = {"rates": "no event", "error rates": "no error"}.get(rates, "no other answer")
    return [f"{inside}; the ratio of the {rates} is unbounded{f': {nothing} in {phrases.some(empty)}' if empty else ''}."]


def negligible_sentence(finding: Finding) -> str:
    """Say that error rates are too low for their ratio to matter; empty if the ratio counts."""
    if finding.negligible is None:
        return ""
    below, rates = f"{round(100 * finding.negligible, 6):g}\u00a0%", phrases.rare_rates(finding)
    return f"Every group’s {phrases.rare_rate(finding)} is significantly below {below}, so the ratio of {rates} does not count."


def too_few_sentence(finding: Finding) -> str:
    """Say which groups are too small to show equivalence, regardless of the answers; empty if all are large enough."""
    if finding.verdict != "inconclusive" or finding.withheld or finding.gap is None or not finding.gap.too_few:
        return ""
    tolerance = exact_points(finding.tolerance)
    few = f"Too few images of {lacking_groups([finding])}"
    return f"{few}: even without a single error they could not show that groups differ by less than {tolerance}."


def needs_sentence(finding: Finding) -> str:
    """Say how many more images of which groups an undecided question needs, with which power; empty if that is not the reason."""
    needed = needed_images(finding)
    return f"Needs about {needed}: then it would be decided, {_with_power(finding)}." if needed else ""


def needed_step(finding: Finding) -> str:
    """Return the same as something to do."""
    needed = needed_images(finding)
    return f"Audit about {needed}: enough to decide, {_with_power(finding)}." if needed else ""


def _with_power(finding: Finding) -> str:
    return f"with power 0.8, if the groups do not differ, or if the smallest group differs by {exact_points(finding.tolerance)}"


def needed_images(finding: Finding) -> str:
    """Name the groups that need more images, and how many: ``900 more images of age 0-2 and 90 of age 3-9``; empty if unknown."""
    if not finding.gap or not finding.gap.more_images:
        return ""
    needed = sorted(finding.gap.more_images, key=lambda more: -more.images)
    named = [
        f"{count(more.images)} {'of' if i else 'more images of'} {_whose(finding, more)}" for i, more in enumerate(needed[:_MOST_NEEDED])
    ]
    named += [_of_others(needed[_MOST_NEEDED:])] if len(needed) > len(named) else []
    return f"{phrases.listed(named)}{that_count(finding)}"


def _of_others(needed: Sequence[MoreImages]) -> str:
    """Say how many images further groups need at most, the group that needs most of them first."""
    most = count(needed[0].images)
    return f"{most} of another group" if len(needed) == 1 else f"up to {most} of each of {count(len(needed))} other groups"


def needs_tag(finding: Finding) -> str:
    """Return the same as a tag for a list, for the group that needs most: ``needs about 900 more images of 0-2 and others``."""
    needed = sorted(finding.gap.more_images if finding.gap else (), key=lambda more: -more.images)
    if not needed:
        return ""
    counted = " that count" if that_count(finding) else ""
    others = " and others" if len(needed) > 1 else ""
    return f"needs about {count(needed[0].images)} more images{counted} of {_whose(finding, needed[0])}{others}"


def _whose(finding: Finding, more: MoreImages) -> str:
    """Name a group, with its attributes if its levels are numbers: ``age 0-2``."""
    name = phrases.group(more.group)
    return f"{phrases.attributes(finding.attributes)} {name}" if any(map(str.isdigit, name)) else name


def that_count(finding: Finding) -> str:
    """Say which images count for a rate that is not one of all images."""
    outcome = f"‘{finding.outcome}’"
    return {
        "true_positive_rate": f", with the true answer {outcome}",
        "false_negative_rate": f", with the true answer {outcome}",
        "false_positive_rate": f", with a true answer other than {outcome}",
        "true_negative_rate": f", with a true answer other than {outcome}",
        "precision": f", answered with {outcome}",
        "rate_among_answered": ", with an answer",
    }.get(finding.metric, "")


def lacking_groups(findings: Sequence[Finding]) -> str:
    """Name the groups with too few images, with n in each question: ``age more than 70 (n = 60, 58)``."""
    images: dict[str, list[str]] = {}
    for finding in findings:
        for group in finding.gap.too_few if finding.gap else ():
            name = f"{phrases.attributes(finding.attributes)} {phrases.group(group)}"
            images.setdefault(name, []).append(count(phrases.rate_of(finding, group).n))
    return phrases.listed([f"{name} (n\u00a0=\u00a0{', '.join(dict.fromkeys(n))})" for name, n in images.items()])


def _why_equivalent(finding: Finding, gap: Gap, settings: Settings) -> list[str]:
    estimable = [rate for rate in finding.by_group if rate.status == "ok"]
    ratio = finding.ratio_tolerance
    sentences = [
        f"Equivalent in {_subject(finding)} within {'both tolerances' if ratio else 'the tolerance'}: the "
        f"{100 * (1 - 2 * settings.alpha):g} % interval of {pairs_phrase(len(estimable))} lies inside ±{exact_points(finding.tolerance)}"
        f"{f', that of the ratio of the {phrases.rare_rates(finding)} within a factor of {ratio:g}' if ratio else ''}."
    ]
    sentences += filter(None, [negligible_sentence(finding)])
    if gap.p_adjusted <= settings.alpha:
        sentences.append("The difference is detectable but smaller than the tolerance.")
    rates = [rate.value or 0.0 for rate in estimable]
    if ratio is None and (max(rates) <= finding.tolerance or min(rates) >= 1 - finding.tolerance):
        sentences.append("All rates lie within one tolerance of the end of the scale, so this margin says little about their ratio.")
    return sentences


def _subject(finding: Finding) -> str:
    metric = finding.metric.replace("_", " ")
    return metric if finding.outcome is None else f"{metric} of '{finding.outcome}'"


def _rate(rate: Rate) -> str:
    return f"{percent(rate.value, 1)} ({phrases.group(rate.group)}, {phrases.sized(rate)})"
