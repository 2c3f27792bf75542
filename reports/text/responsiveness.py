"""Sentences about whether a model uses the images at all, and about gaps that group composition explains."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from audit.records.inputs import Responsiveness, recognises_nothing
from audit.results import AuditResult, Finding, MeasurementRecord
from audit.types import FAILED, NO_ANSWER, NOT_ANSWERED, REFUSAL, STOPPED, UNCLEAR, UNPARSED
from reports.text import phrases
from reports.text.analyses import any_similarity_differs
from reports.text.numbers import NOT_ESTIMABLE, decimals, in_words, p_phrase, percent, points, upper_first
from reports.text.units import TOGETHER

BLIND = ("constant", "unclear", "order")
"""Codes for models that give all, or nearly all, images the same answer."""
INSTEAD = {
    REFUSAL: "were refused", UNPARSED: "got no text, or one that is not an option", UNCLEAR: f"got ‘{UNCLEAR}’",
    NOT_ANSWERED: "got no answer that the tool could read", FAILED: "ended in an error", STOPPED: "reached a limit",
}  # fmt: skip
"""What came instead of an answer. Results do not keep the texts, so an empty text looks like any other."""
_WEAK = (
    ("no better", "we found no evidence that the model uses the images", ""),
    ("varies", "we found no evidence that the answers are better than a constant answer", ", though they vary with the images"),
    ("undecided", "we cannot tell whether the model uses the images", ""),
)
"""Code, its meaning, and what follows the numbers."""
_NAMED = 3
_SENTENCE, _LONGEST_CARD = re.compile(r"(?<=[.!?])\s+"), 240
_Placed = tuple[MeasurementRecord, Responsiveness]


def lead(audit: AuditResult) -> str:
    """Say in which measurements we have no evidence that the model uses the images; empty if it uses them in all."""
    checked = _checked(audit)
    if is_invalid(audit):
        return f"{upper_first(_each([pair for pair in checked if pair[1].code is not None], ''))}."
    blind = [pair for pair in checked if pair[1].code in BLIND]
    sentences = [*_silent(audit), *([f"{_where(blind, checked, _blindly(audit))}: {_grouped(blind)}."] if blind else [])]
    for code, text, also in _WEAK:
        weak = [pair for pair in checked if pair[1].code == code]
        sentences += [f"{_where(weak, checked, text)}: {_each(weak, also)}."] if weak else []
    return " ".join(sentences)


def brief_lead(audit: AuditResult) -> str:
    """Return the same without numbers."""
    checked = _checked(audit)
    if is_invalid(audit):
        return ""  # `invalid_caveat` says more
    ended = ((_blindly(audit), BLIND), *((text, (code,)) for code, text, _ in _WEAK))
    by_kind = [(text, [pair for pair in checked if pair[1].code in codes]) for text, codes in ended]
    sentences = (f"{_where(some, checked, text)}{_named([record.name for record, _ in some])}." for text, some in by_kind if some)
    return " ".join([*_silent(audit), *sentences])


def is_invalid(audit: AuditResult) -> bool:
    """Whether a probe is not a valid test of a model: all answers that can be checked fail. A file of answers is not a probe."""
    return audit.probe.name != "predictions" and recognises_nothing(record.responsiveness for record in audit.measurements)


def invalid_caveat(audit: AuditResult) -> str:
    """Say that a probe is not a valid test of a model, why, and what the model's checkpoint says about itself; empty if it is valid."""
    if not is_invalid(audit):
        return ""
    names = [record.name for record, check in _checked(audit) if check.code is not None]
    which = "the one measurement" if len(names) == 1 else f"all {in_words(len(names), 'measurement')}"
    return (
        f"The {audit.probe.name} probe is not a valid test of this model: in {which} that can be checked ({phrases.some(names)}), we found "
        f"no evidence that its answers agree with the labels more often than a constant answer would.{_own_words(audit)}"
    )


def _own_words(audit: AuditResult) -> str:
    """Quote the first whole sentences of a checkpoint's own description; empty if it has none."""
    sentences: list[str] = []
    for sentence in _SENTENCE.split(audit.model.data_card or ""):
        if sentences and len(" ".join([*sentences, sentence])) > _LONGEST_CARD:
            break
        sentences.append(sentence)
    return f" The checkpoint says: “{' '.join(sentences)}”" if any(sentences) else ""


def _checked(audit: AuditResult) -> list[_Placed]:
    """Return the measurements that got answers: without answers we cannot tell whether the model uses the images."""
    measured = ((record, record.responsiveness) for record in audit.measurements if not instead_of_every_answer(record, audit))
    return [(record, check) for record, check in measured if check]


def _silent(audit: AuditResult) -> list[str]:
    """Say what came instead in measurements without any answer; measurements with the same replies are named together."""
    names: dict[str, list[str]] = {}
    for record in audit.measurements:
        if record.responsiveness and (came := instead_of_every_answer(record, audit)):
            names.setdefault(instead_words(came), []).append(record.name)
    return [_unanswered(together, came) for came, together in names.items()]


def _unanswered(measurements: Sequence[str], came: str) -> str:
    """Return the sentence; the only question of a file of predictions is not named."""
    if list(measurements) == ["predictions"]:
        return f"No question got an answer, {came}."
    return f"{phrases.some(measurements)}: no question got an answer, {came}."


def instead_of_every_answer(record: MeasurementRecord, audit: AuditResult) -> Counter[str]:
    """Count what came instead of answers to a measurement; empty if any image got an answer.

    For loaded models and for predictions, "unclear" is an answer: giving it to every image means that the model ignores the images.
    """
    ways = NO_ANSWER if audit.is_served else tuple(way for way in NO_ANSWER if way != UNCLEAR)
    came = Counter({answer: count for answer, count in record.answer_counts.items() if count})
    return came if set(came) <= set(ways) else Counter()


def instead_words(came: Mapping[str, int]) -> str:
    r"""Say what came instead of answers, the most common reply first.

    Examples
    --------
    >>> instead_words({"refusal": 3}), instead_words({"unparsed": 1, "refusal": 3}).replace("\xa0", " ")
    ('all were refused', '75.0 % were refused, 25.0 % got no text, or one that is not an option')
    """
    if len(came) == 1:
        return f"all {INSTEAD[next(iter(came))]}"
    total = sum(came.values())
    return ", ".join(f"{percent(many / total, 1)} {INSTEAD[way]}" for way, many in Counter(came).most_common())


def _blindly(audit: AuditResult) -> str:
    """Say that answers do not depend on the images, but not that the model ignores them if its similarities differ between groups."""
    if any_similarity_differs(audit):
        return "the model gives the same answers regardless of the image, though its similarities to words differ between groups"
    return "the model does not respond to the images"


def _where(some: Sequence[_Placed], of: Sequence[_Placed], text: str) -> str:
    """Begin a sentence about some measurements."""
    return upper_first(text) if len(some) == len(of) else f"In {len(some)} of {in_words(len(of), 'measurement')}, {text}"


def _grouped(blind: Iterable[_Placed]) -> str:
    """Name the constant answer of each measurement; measurements with the same one are named together."""
    names: dict[str, list[str]] = {}
    for record, check in blind:
        names.setdefault(_one_answer(check), []).append(record.name)
    return "; ".join(f"{text}{_named(together)}" for text, together in names.items())


def _one_answer(check: Responsiveness) -> str:
    if check.code == "order":
        return "it gives nearly every image the same answer, and another one when the options are shuffled"
    if _by_question(check):
        return f"it gives each question the same answer, regardless of which of {in_words(check.n, 'image')} it is about"
    answer, share = (UNCLEAR, check.unclear or 0.0) if check.code == "unclear" else (check.commonest, check.commonest_share)
    return f"it answers ‘{answer}’ to {'all' if share == 1 else f'{_share(share)} of'} {in_words(check.n, 'image')}"


def _by_question(check: Responsiveness) -> bool:
    """Whether questions differ from row to row, and answers depend on the question alone."""
    return check.code == "constant" and check.commonest_share < 1


def _share(share: float) -> str:
    r"""Format a share in percent; a share below 1 never reads as 100 %.

    Examples
    --------
    >>> [_share(share).replace("\xa0", " ") for share in (1.0, 0.9999, 0.981)]
    ['100 %', '99.99 %', '98.1 %']
    """
    if share == 1:
        return percent(share)
    return percent(share, next((places for places in (1, 2, 3) if f"{100 * share:.{places}f}" != f"{100:.{places}f}"), 4))


def _each(weak: Sequence[_Placed], also: str) -> str:
    parts = [f"{_right(check)}{also}{_named([record.name])}" for record, check in weak[:_NAMED]]
    return "; ".join([*parts, *([f"and {len(weak) - _NAMED} more"] if len(weak) > _NAMED else [])])


def _named(measurements: Sequence[str]) -> str:
    """Return the names in brackets; the only question of a file of predictions is not named."""
    return "" if list(measurements) == ["predictions"] else f" ({phrases.some(measurements)})"


def _right(check: Responsiveness) -> str:
    """Say how often the answers agree with the labels, and how often a constant answer would."""
    against = check.against_constant
    if against is None:
        return f"the right one of a row’s options is {'' if check.code == 'looks' else 'not '}chosen more often than by guessing"
    p = p_phrase(against.p)
    constant = f"always answering ‘{against.constant}’ would in {percent(against.constant_accuracy, 1)}"
    return f"the answers agree with the labels in {percent(against.accuracy, 1)} of {in_words(against.n, 'image')}, {constant} ({p})"


def look_sentences(audit: AuditResult) -> tuple[str, ...]:
    """Return one sentence for each measurement in which the use of the images could be checked."""
    return tuple(_facts(record, check) for record, check in _checked(audit) if check.code is not None)


def _facts(record: MeasurementRecord, check: Responsiveness) -> str:
    facts = [_right(check)] if check.against_constant or check.code in ("looks", "no better") else []
    facts.append(f"the most common answer, ‘{check.commonest}’, is given to {_share(check.commonest_share)}")
    facts += [f"‘{UNCLEAR}’ to {percent(check.unclear, 1)}"] if check.unclear is not None and check.commonest != UNCLEAR else []
    kept = check.same_in_another_order
    facts += [f"the answer stays the same for {percent(kept, 1)} when the options are shuffled"] if kept is not None else []
    facts += [f"near-ties {percent(record.near_ties, 1)}"] if record.near_ties is not None else []
    return f"{record.name}: {'; '.join(facts)}."


def look_line(audit: AuditResult) -> str:
    """Name the measurements whose answers agree with the labels more often than a constant answer, if any."""
    looking = [(record, record.responsiveness.against_constant) for record in audit.measurements if record.responsiveness]
    better = [
        f"{percent(test.accuracy, 1)} against {percent(test.constant_accuracy, 1)} for always ‘{test.constant}’{_named([record.name])}"
        for record, test in looking
        if test and record.responsiveness and record.responsiveness.code == "looks"
    ]
    return f"Better than a constant answer: {'; '.join(better)}." if better else ""


# ---- findings ------------------------------------------------------------------------------------------------------------------------


def why_unresponsive(finding: Finding, audit: AuditResult) -> str:
    """Say why groups that could be compared have no verdict; empty if they have one."""
    record = next((measurement for measurement in audit.measurements if measurement.name == finding.measurement), None)
    if finding.unresponsive == "units":
        return TOGETHER
    if finding.unresponsive is None or record is None or record.responsiveness is None:
        return ""
    if came := instead_of_every_answer(record, audit):
        return f"no question got an answer, {instead_words(came)}"
    if finding.unresponsive == "invalid":
        return "the model fails everything that this probe can check"
    if finding.unresponsive in BLIND:
        check = record.responsiveness
        why = ": groups that get the same questions have equal rates by design" if _by_question(check) else ", regardless of what they show"
        return f"the model {_one_answer(check).removeprefix('it ')}{why}"
    return _right(record.responsiveness)


def stays_sentence(finding: Finding) -> str:
    """Say that the mix of true answers does not explain a difference, although the model may not use the images; empty if not tested."""
    if finding.within_truth_p is None or finding.unresponsive or finding.verdict not in ("disparity", "signal"):
        return ""
    return "The groups also differ within each true answer, so the mix of true answers does not explain it."


def composition_sentence(finding: Finding) -> str:
    """Say that group composition explains a gap; empty if it does not."""
    if finding.composition is None or not finding.composition.explains:
        return ""
    return f"Group composition explains this gap: with equal shares of the true answers in every group it is {equal_gap(finding)}."


def composition_facts(finding: Finding) -> tuple[tuple[str, str], ...]:
    """Return the gap at equal group composition as term and value; empty if it is unknown."""
    if finding.composition is None:
        return ()
    p = "" if finding.composition.p is None else f", {p_phrase(finding.composition.p)}"
    return (("At equal shares of true answers", f"{equal_gap(finding)}{p}"),)


def equal_gap(finding: Finding) -> str:
    """Return a gap at equal group composition, in points."""
    gap = finding.gap
    places = max(1, decimals(gap.low, gap.high)) if gap else 1
    return points(finding.composition.gap, places) if finding.composition else NOT_ESTIMABLE
