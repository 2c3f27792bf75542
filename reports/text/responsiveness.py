"""Whether a model looks at the images at all: what stands before a verdict, and which gap is that of group composition."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from audit.records.inputs import Responsiveness, recognises_nothing
from audit.results import AuditResult, Finding, MeasurementRecord
from audit.types import NO_ANSWER, REFUSAL, UNCLEAR, UNPARSED
from reports.text import phrases
from reports.text.analyses import any_similarity_differs
from reports.text.numbers import NOT_ESTIMABLE, decimals, in_words, p_phrase, percent, points, upper_first

BLIND = ("constant", "unclear", "order")
"""Every image, or nearly every one, gets one answer: whatever it shows."""
INSTEAD = {REFUSAL: "were refused", UNPARSED: "got no text or one that is none of the options", UNCLEAR: f"got ‘{UNCLEAR}’"}
"""What came in the place of an answer. Results do not keep the texts: an empty one cannot be told from another."""
_WEAK = (
    ("no better", "we found no evidence that the model uses the images", ""),
    ("varies", "we found no evidence that the answers are better than one for every image", ", though they follow what the images show"),
    ("undecided", "we cannot tell whether the model uses the images", ""),
)
"""Look, what it means, and what is said after the numbers."""
_NAMED = 3
_SENTENCE, _LONGEST_CARD = re.compile(r"(?<=[.!?])\s+"), 240
_Placed = tuple[MeasurementRecord, Responsiveness]


def lead(audit: AuditResult) -> str:
    """Return what a reader must know before any verdict: in which measurements the model does not look; empty where it does in all."""
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
    """Whether a probe is no test of a model: all that can be checked of its answers fails. A file of answers is not a probe."""
    return audit.probe.name != "predictions" and recognises_nothing(record.responsiveness for record in audit.measurements)


def invalid_caveat(audit: AuditResult) -> str:
    """Return that a probe is no valid test of a model, why, and what its checkpoint says of itself; empty where it is one."""
    if not is_invalid(audit):
        return ""
    names = [record.name for record, check in _checked(audit) if check.code is not None]
    which = "the one measurement" if len(names) == 1 else f"all {in_words(len(names), 'measurement')}"
    return (
        f"The {audit.probe.name} probe is not a valid test of this model: in {which} that can be checked ({phrases.some(names)}), its "
        f"answers agree with the labels no more often than one answer for every image.{_own_words(audit)}"
    )


def _own_words(audit: AuditResult) -> str:
    """Return what a checkpoint says of itself, as many whole sentences as are read; empty where it says nothing."""
    sentences: list[str] = []
    for sentence in _SENTENCE.split(audit.model.data_card or ""):
        if sentences and len(" ".join([*sentences, sentence])) > _LONGEST_CARD:
            break
        sentences.append(sentence)
    return f" The checkpoint says: “{' '.join(sentences)}”" if any(sentences) else ""


def _checked(audit: AuditResult) -> list[_Placed]:
    """Return the measurements that got answers: of the others it cannot be told whether the model looks."""
    measured = ((record, record.responsiveness) for record in audit.measurements if not instead_of_every_answer(record, audit))
    return [(record, check) for record, check in measured if check]


def _silent(audit: AuditResult) -> list[str]:
    """Return what came instead in measurements without one answer; those with the same are named together."""
    names: dict[str, list[str]] = {}
    for record in audit.measurements:
        if record.responsiveness and (came := instead_of_every_answer(record, audit)):
            names.setdefault(instead_words(came), []).append(record.name)
    return [_unanswered(together, came) for came, together in names.items()]


def _unanswered(measurements: Sequence[str], came: str) -> str:
    """Return the sentence; the only question of a file of predictions has no name."""
    if list(measurements) == ["predictions"]:
        return f"No question got an answer, {came}."
    return f"{phrases.some(measurements)}: no question got an answer, {came}."


def instead_of_every_answer(record: MeasurementRecord, audit: AuditResult) -> Counter[str]:
    """Return what came instead of answers to a measurement and how often; empty where any image got one.

    "unclear" is an answer of a model that was loaded, and of predictions: what it hides there is that the model does not look.
    """
    ways = NO_ANSWER if audit.endpoint else (REFUSAL, UNPARSED)
    came = Counter({answer: count for answer, count in record.answer_counts.items() if count})
    return came if set(came) <= set(ways) else Counter()


def instead_words(came: Mapping[str, int]) -> str:
    r"""Return what came instead of answers, the commonest first.

    Examples
    --------
    >>> instead_words({"refusal": 3}), instead_words({"unparsed": 1, "refusal": 3}).replace("\xa0", " ")
    ('all were refused', '75.0 % were refused, 25.0 % got no text or one that is none of the options')
    """
    if len(came) == 1:
        return f"all {INSTEAD[next(iter(came))]}"
    total = sum(came.values())
    return ", ".join(f"{percent(many / total, 1)} {INSTEAD[way]}" for way, many in Counter(came).most_common())


def _blindly(audit: AuditResult) -> str:
    """Say that answers do not depend on the images; of a model whose similarities are shown to, not that it does not look."""
    if any_similarity_differs(audit):
        return "the model answers alike whatever an image shows, though its similarities to words differ between groups"
    return "the model does not look at the images"


def _where(some: Sequence[_Placed], of: Sequence[_Placed], text: str) -> str:
    """Return a text about some measurements as the beginning of a sentence."""
    return upper_first(text) if len(some) == len(of) else f"In {len(some)} of {in_words(len(of), 'measurement')}, {text}"


def _grouped(blind: Iterable[_Placed]) -> str:
    """Return the one answer of each measurement; those with the same are named together."""
    names: dict[str, list[str]] = {}
    for record, check in blind:
        names.setdefault(_one_answer(check), []).append(record.name)
    return "; ".join(f"{text}{_named(together)}" for text, together in names.items())


def _one_answer(check: Responsiveness) -> str:
    if check.code == "order":
        return "it gives nearly every image one answer, and another one when the options are shuffled"
    if _by_question(check):
        return f"it gives each question one answer, whichever of {in_words(check.n, 'image')} it is put to"
    answer, share = (UNCLEAR, check.unclear or 0.0) if check.code == "unclear" else (check.commonest, check.commonest_share)
    return f"it answers ‘{answer}’ to {'all' if share == 1 else f'{_share(share)} of'} {in_words(check.n, 'image')}"


def _by_question(check: Responsiveness) -> bool:
    """Tell whether questions differ from row to row, and answers with the questions alone."""
    return check.code == "constant" and check.commonest_share < 1


def _share(share: float) -> str:
    r"""Return a share in percent; what is not all does not read as all.

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
    """Return the names in brackets; the only question of a file of predictions has none."""
    return "" if list(measurements) == ["predictions"] else f" ({phrases.some(measurements)})"


def _right(check: Responsiveness) -> str:
    """Return how often the answers agree with the labels, and one answer for every image."""
    against = check.against_constant
    if against is None:
        return f"the right one of a row’s options is {'' if check.code == 'looks' else 'not '}named more often than by a guess"
    p = p_phrase(against.p)
    constant = f"‘{against.constant}’ for every image does in {percent(against.constant_accuracy, 1)}"
    return f"the answers agree with the labels in {percent(against.accuracy, 1)} of {in_words(against.n, 'image')}, {constant} ({p})"


def look_sentences(audit: AuditResult) -> tuple[str, ...]:
    """Return what was found for each measurement of which it can be told whether the model looks."""
    return tuple(_facts(record, check) for record, check in _checked(audit) if check.code is not None)


def _facts(record: MeasurementRecord, check: Responsiveness) -> str:
    facts = [_right(check)] if check.against_constant or check.code in ("looks", "no better") else []
    facts.append(f"the commonest answer, ‘{check.commonest}’, is given to {_share(check.commonest_share)}")
    facts += [f"‘{UNCLEAR}’ to {percent(check.unclear, 1)}"] if check.unclear is not None and check.commonest != UNCLEAR else []
    kept = check.same_in_another_order
    facts += [f"the answer stays for {percent(kept, 1)} when the options are shuffled"] if kept is not None else []
    facts += [f"near-ties {percent(record.near_ties, 1)}"] if record.near_ties is not None else []
    return f"{record.name}: {'; '.join(facts)}."


def look_line(audit: AuditResult) -> str:
    """Return in which measurements the answers agree with the labels more often than one answer for every image; empty for none."""
    looking = [(record, record.responsiveness.against_constant) for record in audit.measurements if record.responsiveness]
    better = [
        f"{percent(test.accuracy, 1)} against {percent(test.constant_accuracy, 1)} for always ‘{test.constant}’{_named([record.name])}"
        for record, test in looking
        if test and record.responsiveness and record.responsiveness.code == "looks"
    ]
    return f"Better than one answer for every image: {'; '.join(better)}." if better else ""


# ---- findings ------------------------------------------------------------------------------------------------------------------------


def why_unresponsive(finding: Finding, audit: AuditResult) -> str:
    """Return why groups that could be compared have no verdict; empty where they have one."""
    record = next((measurement for measurement in audit.measurements if measurement.name == finding.measurement), None)
    if finding.unresponsive is None or record is None or record.responsiveness is None:
        return ""
    if came := instead_of_every_answer(record, audit):
        return f"no question got an answer, {instead_words(came)}"
    if finding.unresponsive == "invalid":
        return "the model recognises nothing of what this probe can check"
    if finding.unresponsive in BLIND:
        check = record.responsiveness
        why = ": groups that are asked the same have equal rates by design" if _by_question(check) else ", whatever they show"
        return f"the model {_one_answer(check).removeprefix('it ')}{why}"
    return _right(record.responsiveness)


def stays_sentence(finding: Finding) -> str:
    """Return that a difference is none of the mix of true answers though the model may not look; empty where that is not the question."""
    if finding.within_truth_p is None or finding.unresponsive or finding.verdict not in ("disparity", "signal"):
        return ""
    return "The groups also differ within each true answer, so the mix of true answers does not explain it."


def composition_sentence(finding: Finding) -> str:
    """Return that group composition explains a gap; empty where it does not."""
    if finding.composition is None or not finding.composition.explains:
        return ""
    return f"Group composition explains this gap: with equal shares of the true answers in every group it is {equal_gap(finding)}."


def composition_facts(finding: Finding) -> tuple[tuple[str, str], ...]:
    """Return a gap at equal group composition as term and value; nothing where that is not known."""
    if finding.composition is None:
        return ()
    p = "" if finding.composition.p is None else f", {p_phrase(finding.composition.p)}"
    return (("At equal shares of true answers", f"{equal_gap(finding)}{p}"),)


def equal_gap(finding: Finding) -> str:
    """Return a gap at equal group composition, in points."""
    gap = finding.gap
    places = max(1, decimals(gap.low, gap.high)) if gap else 1
    return points(finding.composition.gap, places) if finding.composition else NOT_ESTIMABLE
