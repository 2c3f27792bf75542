"""The first screen of a page about several models: its headline, its task, and the caption and legend of its chart."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from audit.records.comparison import Change
from audit.records.finding import Rate
from audit.results import AuditResult, Finding
from audit.types import Settings
from reports.text import phrases
from reports.text.headline import captions, headline_of, statement
from reports.text.headline.differences import caution, rate_name
from reports.text.numbers import count, exact_points, in_words, lower_first, points, upper_first

T = TypeVar("T")
_WORDS = {
    "disparity": "disparity", "inconclusive": "undecided", "equivalent": "no difference that matters", "not estimable": "not estimable",
}  # fmt: skip
"""Verdicts, worst first, as they stand before "in 2 of 3 models"."""
_MEANINGS = {
    "disparity": "disparity: unlikely under chance alone", "inconclusive": "inconclusive", "equivalent": "equivalent: within the tolerance",
}  # fmt: skip
"""Verdicts, worst first, as the legend explains their marks."""
_MOST_ANSWERS = 4

Asked = tuple[AuditResult, Finding]
"""A question with the audit that tested it."""


def labels_in_use(audit: AuditResult) -> frozenset[str]:
    """Return the labels that were given as answers or are true answers; files of answers read together share one longer list."""
    used = {label for record in audit.measurements for label, many in record.answer_counts.items() if many}
    outcomes = {name: labels for record in audit.measurements for name, labels in record.outcomes.items()}
    true = [finding.outcome for finding in audit.findings if finding.metric == "true_positive_rate" and finding.overall.n]
    return frozenset(used.union(*(outcomes.get(outcome or "", ()) for outcome in true)))


def by_task(items: Iterable[T], audit_of: Callable[[T], AuditResult]) -> list[list[T]]:
    """Group what belongs to audits of one probe by task: files of answers need not choose between the same answers."""
    tasks: list[list[T]] = []
    for item in items:
        task = next((task for task in tasks if _same_task(audit_of(task[0]), audit_of(item))), None)
        if task is None:
            tasks.append([item])
        else:
            task.append(item)
    return tasks


def _same_task(first: AuditResult, second: AuditResult) -> bool:
    labels = labels_in_use(first), labels_in_use(second)
    return not all(labels) or not labels[0].isdisjoint(labels[1])


def task_name(audit: AuditResult) -> str:
    """Name one of several tasks by its first answers: ``answers Female and Male``."""
    return f"answers {_some_answers(sorted(labels_in_use(audit)), 2)}"


def _some_answers(labels: Sequence[str], most: int) -> str:
    more = [f"{count(len(labels) - most)} more"] if len(labels) > most else []
    return phrases.listed([*(phrases.group((label,)) for label in labels[:most]), *more])


# ---- above the chart -------------------------------------------------------------------------------------------------------------------


def verdict_counts(audits: Sequence[AuditResult], settings: Settings) -> tuple[tuple[str, str], ...]:
    """Return the verdicts of the audits, worst first, each with its count: ``Disparity in 2 of 3 models``."""
    words = [(audit.verdict, headline_of(audit, settings).word) for audit in audits]
    noun = "model" if len({audit.model.name for audit in audits}) == len(audits) else "audit"
    ordered = sorted(dict.fromkeys(words), key=lambda pair: [*_WORDS].index(pair[0]))
    return tuple((verdict, f"{word} in {_of(words.count((verdict, word)), len(words), noun)}") for verdict, word in ordered)


def models_sentence(asked: Sequence[Asked], models: int) -> str:
    """Say how the models differ in one question: in how many the rate differs, and which have the largest and the smallest gap.

    `models` is the number of models on the page; some may have other questions.
    """
    if not asked:
        return "No question could be judged in two models."
    audit, finding = asked[0]
    verdicts = [finding.verdict for _, finding in asked]
    first, *others = [(_WORDS[verdict], verdicts.count(verdict)) for verdict in _WORDS if verdict in verdicts]
    rest = "".join(f", {word} in {many}" for word, many in others)
    of = f"{_of(first[1], len(asked))}{' with this task' if len(asked) < models else ''}{rest}"
    if "disparity" not in verdicts:
        return f"{captions.groups_title(finding, audit)}: {first[0]} in {of}{_largest_and_smallest(asked)}."
    rate = upper_first(rate_name(finding, audit))
    return f"{rate} differs by {phrases.attributes(finding.attributes)} in {of}{_largest_and_smallest(asked)}."


def _of(many: int, of: int, noun: str = "model") -> str:
    if many < of:
        return f"{many} of {of} {noun}s"
    return {1: f"the {noun}", 2: f"both {noun}s"}.get(of, f"all {of} {noun}s")


def _largest_and_smallest(asked: Sequence[Asked]) -> str:
    """Name the models with the largest and the smallest gap: ``; the gap is largest in old (15 points) and smallest in new (3 points)``."""
    sized = sorted(
        (
            (pair.difference, audit.model.name)
            for audit, finding in asked
            if captions.is_judged(finding) and (pair := phrases.leading_pair(finding))
        ),
        reverse=True,
    )
    if len(sized) < 2:
        return ""
    places = fewest_places([finding for _, finding in asked])
    (largest, worst), (smallest, best) = ((points(difference, places), name) for difference, name in (sized[0], sized[-1]))
    if largest == smallest:
        return f"; the gap is {largest} in {_of(len(sized), len(sized))}"
    return f"; the gap is largest in {worst} ({largest}) and smallest in {best} ({smallest})"


def fewest_places(findings: Sequence[Finding]) -> int:
    """Return the decimals that the intervals of all support, so that gaps beside each other have equally many."""
    return min((phrases.gap_places(finding) for finding in findings if captions.is_judged(finding)), default=0)


def worst_sentence(asked: Asked) -> str:
    """Say whom the worst model treats worse in the question of the headline."""
    audit, finding = asked
    said = ", ".join(filter(None, (statement(finding, audit, natural=True), caution(finding))))
    return f"In {audit.model.name}: {lower_first(said)}."


def task_sentence(asked: Sequence[Asked]) -> str:
    """Say what the models answered, about which images, and which gaps count as equivalent."""
    if not asked:
        return ""
    audit, finding = asked[0]
    record = next((record for record in audit.measurements if record.name == finding.measurement), None)
    images, tolerance = _images([audit for audit, _ in asked]), _tolerance([finding for _, finding in asked])
    if record is None:
        return f"{upper_first(images)}. {tolerance}"
    # Files of answers that are read together share one longer list; the labels of a probe are all possible, given or not.
    used = [label for label in record.labels if label in labels_in_use(audit)] if phrases.answers_only(audit.model) else ()
    labels = used or record.labels
    question = "" if record.question == audit.probe.question else f"“{record.question}”, "
    return f"Task: {question}{in_words(len(labels), 'possible answer')} ({_some_answers(labels, _MOST_ANSWERS)}); {images}. {tolerance}"


def _tolerance(findings: Sequence[Finding]) -> str:
    in_points = {finding.tolerance for finding in findings}
    in_ratio = {(finding.ratio_tolerance, phrases.rare_rates(finding)) for finding in findings if finding.ratio_tolerance is not None}
    if len(in_points) > 1 or len({ratio for ratio, _ in in_ratio}) > 1:
        return "Groups shown to differ by less than the tolerance are equivalent."
    [difference], rates = in_points, {named for _, named in in_ratio}
    factor = "".join(f" and, for low {rates.pop() if len(rates) == 1 else 'rates'}, a factor of {ratio:g}" for ratio, _ in [*in_ratio][:1])
    return f"Groups shown to differ by less than the tolerance of {exact_points(difference)}{factor} are equivalent."


def _images(audits: Sequence[AuditResult]) -> str:
    """Say how many images the audits have, and whether they are the same: ``the same 10,954 images for all``."""
    numbers = sorted({audit.data.used for audit in audits})
    if len({audit.data.fingerprint for audit in audits}) == 1 and len(numbers) == 1:
        return f"the same {in_words(numbers[0], 'image')} for all"
    return f"{_from_to(numbers)} images per audit"


def _from_to(numbers: Sequence[int]) -> str:
    return " to ".join(count(many) for many in dict.fromkeys((numbers[0], numbers[-1])))


# ---- around the chart ------------------------------------------------------------------------------------------------------------------


def models_legend(findings: Sequence[Finding], settings: Settings) -> captions.Legend:
    """Say what each mark of the chart means: the verdicts that occur, then gap, interval and tolerance."""
    verdicts = {finding.verdict for finding in findings}
    return (
        *((verdict, meaning) for verdict, meaning in _MEANINGS.items() if verdict in verdicts),
        *captions.questions_legend(findings, settings),
    )


def models_caption(*, paired: bool) -> str:
    """Say how to read the chart of several models."""
    differ = "Whether two models differ is tested below, paired by image." if paired else "Whether two models differ is not tested here."
    return (
        "Gap in points: between the two groups named below it (lower → higher rate), those with the strongest evidence of a large "
        f"difference or, if none is found, that may differ most. Models: worst in the first column first. {differ}"
    )


def images_that_count(findings: Sequence[Finding | Change]) -> str:
    """Return the number of images of a question in several models: ``n = 5,792``, or the smallest and the largest."""
    return f"n\u00a0=\u00a0{_from_to(sorted({_overall(finding).n for finding in findings}))}"


def _overall(of: Finding | Change) -> Rate:
    return of.overall if isinstance(of, Finding) else of.overall.before
