"""Sentences about gates: the outcome of each, which finding decided it, and why."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from audit.gates.parse import COMPARE
from audit.records.base import Estimate, Verdict
from audit.records.comparison import Comparison, Comparisons
from audit.records.effect import EffectResult
from audit.records.finding import Gap
from audit.records.gates import REPLICATES, GateCheck, GateOutcome, GateResult
from audit.results import AuditResult, Finding, Results
from audit.types import Note
from reports.text import phrases
from reports.text.comparison import title as change_title
from reports.text.effects import WHY_NOT, effect_sentence, effect_title
from reports.text.headline.uncounted import effect_uncovered_sentence, uncovered_sentence, unjudged_sentence
from reports.text.notes import sentence
from reports.text.numbers import decimals, difference, end, exact_points, in_words, number, points
from reports.text.reasons import LIMITED as LIMITED_VERDICT
from reports.text.reasons import audit_reason, not_covered, reason
from reports.text.sentences import title

LIMITED = "LIMITED RUN: a sample cannot decide a gate, so the command exits with 1; run it on all images."
_BY_RULE = "by the equivalence test, {pairs} below the limit of {limit}"
_CORRECTED = "corrected for every question of the gate, the interval reaches below the limit of {limit}"
"""Used if a bound other than the end of the interval decides and lies on the other side of the limit."""
_FILLED = "True answers are missing depending on the answers, and the missing ones may change this (see above): this gate is undecided."
_ENDED = {
    "blocked": ", but the permutation test of the whole question does not reject; a breach requires both.",
    "breached": ": all of it {side} the limit of {limit}.",
    "held": ": none of it {side} the limit of {limit}.",
    "inconclusive": ": either side of the limit of {limit} is possible.",
}


def check_reason(check: GateCheck, results: Results) -> str:
    """Say why a gate has its outcome for one finding, with the groups and images that it does not cover."""
    audit = next((audit for audit in results.audits if (audit.model.name, audit.probe.name) == (check.model, check.probe)), None)
    sentences = [LIMITED] if check.limited else []
    sentences += [_said(note, check, audit, results) for note in check.reasons]
    return " ".join([*sentences, *(not_covered(audit.data.exclusions) if check.outcome == "held" and audit else [])])


def _said(note: Note, check: GateCheck, audit: AuditResult | None, results: Results) -> str:
    try:
        return _in_words(note, check, audit, results)
    except (LookupError, TypeError, ValueError):  # a hand-written file
        return str(note)


def _in_words(note: Note, check: GateCheck, audit: AuditResult | None, results: Results) -> str:
    values: Mapping[str, Any] = note.values
    if note.code == "uncovered" and audit is not None:
        return _uncovered(check, audit, results)
    if note.code == "verdict":
        return f"The verdict is {values['verdict']}. {_verdict_reason(check, audit, results)}".rstrip()
    if note.code == "bounded" and values["subject"] in ("superiority", "trend"):
        return _effect(values, limited=check.limited or check.deviates)
    if note.code == "bounded":
        finding = next((finding for finding in audit.findings if finding.id == check.finding), None) if audit else None
        no_end = check.limited or check.deviates  # what the bounds say decides nothing
        if finding and finding.gap and values["subject"] == "gap":
            return _gap(finding, finding.gap, values, limited=no_end)
        return _bounded(values, limited=no_end)
    if note.code == "images_needed":
        counted, unit = values["counted"], values["unit"]
        if "needed" not in values:
            return f"It lies so close to the limit that no number of {unit} would settle it if the rates stayed as they are."
        return f"About {values['needed']:,} {unit} instead of {counted:,} would settle it if the rates stayed as they are."
    return _common(note)


def _uncovered(check: GateCheck, audit: AuditResult, results: Results) -> str:
    """Say which images outside the compared groups leave a gate undecided; of a gate on the whole audit, those of its first questions."""
    if check.finding is None:
        return "Undecided: images that are not compared are shown to differ, or cannot be judged (see above)."
    questions: tuple[Finding | EffectResult, ...] = (*audit.findings, *audit.effects)
    question = next(one for one in questions if one.id == check.finding)
    told, unjudged = [], unjudged_sentence(question, results.settings)
    if isinstance(question, Finding):
        told = [uncovered_sentence(question, one, audit, results.settings) for one in question.uncovered if one.shown]
    elif said := effect_uncovered_sentence(question, results.settings.alpha):
        told = [said]
    told += [unjudged] if unjudged and not any(unjudged in sentence for sentence in told) else []
    return " ".join([*told, "So this gate is undecided."])


def _common(note: Note) -> str:
    """Return the sentence of a note that audits and comparisons share."""
    values: Mapping[str, Any] = note.values
    if note.code == "too_few_groups":
        needs = "one group" if values["groups"] == 1 else "two groups"
        return f"This requires {needs} with at least {values['images']} images that count."
    if note.code == "effect_not_estimable":
        return f"It is not estimable: {WHY_NOT[values['reason']]}."
    if note.code == "not_compared":
        named = [f"{group} (n = {n:,})" for group, n in zip(values["groups"], values["n"], strict=True)]
        return f"Not compared: {phrases.some(named)}."
    return sentence(note)


def _verdict_reason(check: GateCheck, audit: AuditResult | None, results: Results) -> str:
    if audit is None:
        return ""
    effect = next((effect for effect in audit.effects if effect.id == check.finding), None)
    if effect is not None:
        return effect_sentence(effect, results.settings.alpha)
    finding = next((finding for finding in audit.findings if finding.id == check.finding), None)
    explanation = audit_reason(audit) if finding is None else reason(finding, audit, results.settings)
    return explanation.removeprefix(f"{LIMITED_VERDICT} ")


def _gap(finding: Finding, gap: Gap, values: Mapping[str, Any], *, limited: bool) -> str:
    """Return the gap with the interval shown everywhere; if a deciding bound lies on the other side of the limit, name its rule."""
    limit = exact_points(values["limit"])
    rules = "; ".join(_other_rules(gap, values, limit))
    ended = "." if limited else f": {rules}." if rules else _ended(values, limit)
    return f"{_cited(finding, gap, values['groups'])}{ended}"


def _cited(finding: Finding, gap: Gap, groups: int) -> str:
    """Return the gap of the leading pair with its interval, as on the page, and the bounds over all pairs if there are several."""
    pair, places = gap.leading, phrases.gap_places(finding)
    if pair is None:
        return f"The largest gap{_over(groups)} is {phrases.size(gap)}"
    size = phrases.size(Estimate(pair.difference, pair.low, pair.high), places)
    if groups < 3:
        return f"The gap is {size}"
    named = f"{phrases.group(pair.higher)} against {phrases.group(pair.lower)}"
    # The leading pair has the largest lower end, so this is the same number and needs the same decimals.
    bounds = f"between {end(gap.low, places)} and {points(gap.high, decimals(gap.low, gap.high))}"
    return f"The gap is {size} ({named}); the largest{_over(groups)} lies {bounds}"


def _other_rules(gap: Gap, values: Mapping[str, Any], limit: str) -> list[str]:
    """Return the rules that decide instead of an end of the interval; empty if the interval leads to the same outcome."""
    if values["ended"] == "blocked":
        return []

    def beyond(end: float) -> bool:
        return COMPARE[values["operator"]](end, values["limit"])

    pairs = "every pair lies" if values["high"] < gap.high else "some pair may not lie"
    corrected = [_CORRECTED.format(limit=limit)] * (beyond(gap.low) != beyond(values["low"]))
    return corrected + [_BY_RULE.format(pairs=pairs, limit=limit)] * (beyond(gap.high) != beyond(values["high"]))


def _over(groups: int) -> str:
    pairs = groups * (groups - 1) // 2
    return f" over all {pairs} pairs" if pairs > 1 else ""


def _ended(values: Mapping[str, Any], limit: str) -> str:
    return _ENDED[values["ended"]].format(side="above" if values["operator"] in (">", ">=") else "below", limit=limit)


def _bounded(values: Mapping[str, Any], *, limited: bool) -> str:
    subject, groups, above = values["subject"], values.get("groups", 0), values["operator"] in (">", ">=")
    if subject == "gap_mean":
        what = f"The gap of the mean rates of {in_words(values['replicates'], 'replicate')}"
    elif subject == "rate":
        what = f"The rate of {values['group']}" if "group" in values else f"The {'highest' if above else 'lowest'} rate of {groups} groups"
    else:
        what = f"The {'largest gap' if subject == 'gap' else 'lowest rate over the highest'}{_over(groups)}"
    value, low, high, limit = (_shown(subject, values[name]) for name in ("value", "low", "high", "limit"))
    ended = "." if limited else _ended(values, limit)
    return f"{what} is {value}, between {low.split()[0]} and {high}{ended}"


def _effect(values: Mapping[str, Any], *, limited: bool) -> str:
    """Return the gap of a question about scores, or of a trend, with its bounds."""
    what = (
        "The change over all steps" if values["subject"] == "trend" else f"The largest distance{_of_pairs(values['groups'])} from 50\u00a0%"
    )
    value, low, high = (number(values[name], 1) for name in ("value", "low", "high"))
    return f"{what} is {value} points, between {low} and {high}{'.' if limited else _ended(values, exact_points(values['limit']))}"


def _of_pairs(pairs: int) -> str:
    return f" of {in_words(pairs, 'pair')}" if pairs > 1 else ""


def _shown(subject: str, value: float) -> str:
    """Format a number in the unit of the gate."""
    if subject == "ratio":
        return f"{value:.2f}"
    return f"{number(value, 1)} {'%' if subject == 'rate' else 'points'}"


# ---- on a comparison -----------------------------------------------------------------------------------------------------------------


def change_check_reason(check: GateCheck, comparison: Comparison) -> str:
    """Say why a gate on a comparison has its outcome for one change."""
    sentences = [LIMITED] if check.limited else []
    for note in check.reasons:
        try:
            sentences.append(_change_in_words(note, comparison, limited=check.limited))
        except (LookupError, TypeError, ValueError):  # a hand-written file
            sentences.append(str(note))
    return " ".join(sentences)


def _change_in_words(note: Note, comparison: Comparison, *, limited: bool) -> str:
    values: Mapping[str, Any] = note.values
    if note.code == "uncovered":
        return _FILLED
    if note.code == "verdict_on_change":
        return f"The verdict on the change is {values['verdict']}."
    if note.code != "bounded_change":
        return _common(note)
    if values["subject"] == "gap":
        what = "The gap changed by"
    elif "group" in values:
        what = f"The rate of {values['group']} changed by"
    else:
        what = f"Among {values['groups']} groups, the rate that {'rose most' if values['operator'][0] == '>' else 'fell most'} changed by"
    size = difference(values["value"], values["low"], values["high"])
    ended = "." if limited else _ended(values, exact_points(values["limit"]).replace("-", "−"))
    return f"{what} {size} points{ended}"


# ---- all gates of an audit -----------------------------------------------------------------------------------------------------------


WORDS: Mapping[GateOutcome, str] = {
    "breached": "Breached", "not estimable": "Not estimable", "inconclusive": "Inconclusive", "held": "Held",
}  # fmt: skip
LOOKS_LIKE: Mapping[GateOutcome, Verdict] = {
    "breached": "disparity", "not estimable": "not estimable", "inconclusive": "inconclusive", "held": "equivalent",
}  # fmt: skip
"""The verdict whose icon and colour stand for an outcome."""
_ORDER: Sequence[GateOutcome] = tuple(WORDS)
_FAILS = "A gate that cannot be estimated fails, unless the command has --allow-undecided."
_MOST_CHIPS = 4


@dataclass(frozen=True)
class GateRow:
    """The texts of a gate applied to one audit."""

    expression: str
    outcome: GateOutcome
    word: str
    looks: str
    why: str


def gate_rows(results: Results, audit: AuditResult) -> tuple[GateRow, ...]:
    """Return the gates applied to an audit, each with the check that decided it."""
    titles = {finding.id: title(finding, audit) for finding in audit.findings}
    titles |= {effect.id: effect_title(effect) for effect in audit.effects}
    whose = {(audit.model.name, audit.probe.name)}
    if any(results.audits[replicate.audits[0]] is audit for replicate in results.replicates):  # shown with the first one
        whose.add((REPLICATES, audit.probe.name))
    return _rows(results.gates, whose, titles, lambda check: check_reason(check, results))


def change_gate_rows(comparisons: Comparisons, comparison: Comparison) -> tuple[GateRow, ...]:
    """Return the gates applied to a comparison, each with the check that decided it."""
    titles = {change.id: change_title(change) for change in comparison.changes}
    return _rows(comparisons.gates, {(comparison.after, comparison.probe)}, titles, lambda check: change_check_reason(check, comparison))


def _rows(
    gates: Sequence[GateResult], whose: Container[tuple[str, str]], titles: Mapping[str, str], reason_of: Callable[[GateCheck], str]
) -> tuple[GateRow, ...]:
    rows = []
    for gate in gates:
        if checks := [check for check in gate.checks if (check.model, check.probe) in whose]:
            decisive = min(checks, key=lambda check: _ORDER.index(check.outcome))
            why = reason_of(decisive)
            if len(checks) > 1:
                titled = titles.get(decisive.finding or "", "The audit")
                why = f"{titled}: {why} Of {in_words(len(checks), 'question')}: {_counted(checks)}."
            rows.append(GateRow(gate.expression, decisive.outcome, WORDS[decisive.outcome], LOOKS_LIKE[decisive.outcome], why))
    return tuple(rows)


@dataclass(frozen=True)
class GateChip:
    """A few words about one gate, or about all gates with the same outcome."""

    text: str
    looks: str


def gate_chips(results: Results, audit: AuditResult) -> tuple[GateChip, ...]:
    """Return the gates of an audit, breached ones first: one by one if they are few, otherwise counted by outcome."""
    rows = sorted(gate_rows(results, audit), key=lambda row: _ORDER.index(row.outcome))
    if len(rows) <= _MOST_CHIPS:
        return tuple(GateChip(f"{row.word}: {row.expression}", row.looks) for row in rows)
    counts = [(outcome, sum(row.outcome == outcome for row in rows)) for outcome in _ORDER]
    return tuple(GateChip(f"{n} {outcome}", LOOKS_LIKE[outcome]) for outcome, n in counts if n)


def gates_sentence(gates: Sequence[GateResult | GateRow]) -> str:
    """Count the gates of a run, or of one audit, by outcome."""
    fails = f" {_FAILS}" if any(gate.outcome == "not estimable" for gate in gates) else ""
    return f"{in_words(len(gates), 'gate')}: {_counted(gates)}.{fails}"


def _counted(ended: Sequence[GateResult | GateRow | GateCheck]) -> str:
    outcomes = [gate.outcome for gate in ended]
    return ", ".join(f"{n} {outcome}" for outcome in _ORDER if (n := outcomes.count(outcome)))
