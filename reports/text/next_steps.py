"""What to do next: one to three sentences for the first screen, imperative, most urgent first; commands are in backticks."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from audit.records.comparison import Change, Comparison, Comparisons, RateChange
from audit.records.inputs import classes_not_compared
from audit.results import AuditResult, Finding, Results
from audit.types import FAILED, NO_ANSWER, STOPPED, Settings
from reports.text import phrases
from reports.text.analyses import withheld
from reports.text.changes import levelling, worse_cells
from reports.text.comparison import reversed_pair
from reports.text.comparison_headline import VerdictSentence
from reports.text.detail.trust import trust_lines
from reports.text.effects import planned_effects
from reports.text.error_rates import confused, two_digits, with_error_rates
from reports.text.evidence import shifted
from reports.text.gates import change_gate_rows, gate_rows
from reports.text.headline import Headline
from reports.text.headline.captions import is_judged
from reports.text.headline.differences import answers_phrase, whom_phrase
from reports.text.missing_truth import lacking_by_answer
from reports.text.numbers import count, exact_points, in_words, points
from reports.text.order import planned
from reports.text.reasons import needed_step
from reports.text.replicates import replicates_of
from reports.text.responsiveness import composition_sentence, is_invalid
from reports.text.several import Asked, by_task
from reports.text.units import declare_step

MOST_STEPS = 3
_COMPARE = "After changes, audit the same images and run `vlm-audit compare`."
_MITIGATE = "Try `vlm-audit mitigate`, and `vlm-audit compare` after changes."
_EDITABLE = ("vlm-audit", "Hugging Face", "open_clip")
"""Beginnings of the kinds of models whose weights a mitigation can change."""
_WITHOUT_TRUTH = ("selection_rate", "rate_among_answered", "retrieval_rate")
"""Rates of an answer that is not known to be wrong."""
_MOST_WORSE = 3
"""Groups that got worse and are named."""
_LIMITED = ("Run it on all images for a verdict.",)
_LIMITED_LOG = ("For a verdict, evaluate the whole data set, or say that you judge these samples: --chosen-samples.",)
_EXPLORATORY = ("Plan the questions that matter to you, and test them on new images before you act on a difference.",)
_ANOTHER_LANGUAGE = "Choose a model that reads the language, or leave --language out to ask in English."
_CHECK_ROWS = "Check that each answer is in the row of its own image, and that answers and labels are spelled alike."
_CHECK_LABELS = "Check that every label means the answer that it counts as (`--label-map`), and that images are prepared as in training."
_PAIRED = "paired by image"
_FEW_LABELS = 0.05
"""Share of a group's labels up to which checking them is the first thing to do."""


def audit_steps(headline: Headline, audit: AuditResult, results: Results) -> tuple[str, ...]:
    """Return what to do after an audit."""
    by_kind = _unresponsive if headline.caveat else _BY_KIND[headline.kind]
    if declare := declare_step(audit):
        return (*gate_steps(_failed(audit, results)), declare)[:MOST_STEPS]
    steps = (*gate_steps(_failed(audit, results)), *_replicates(audit, results), *by_kind(headline, audit, results))
    return steps[:MOST_STEPS]


def gate_steps(failed: Sequence[str], model: str = "this model") -> tuple[str, ...]:
    """Return what to do about breached gates, given by their expressions."""
    if not failed:
        return ()
    which = f"Gate {failed[0]} is" if len(failed) == 1 else f"{in_words(len(failed), 'gate')} are"
    return (f"{which} breached: do not release {model} on these results.",)


def _failed(audit: AuditResult, results: Results) -> list[str]:
    return [row.expression for row in gate_rows(results, audit) if row.outcome == "breached"]


def _replicates(audit: AuditResult, results: Results) -> tuple[str, ...]:
    replicates = replicates_of(results, audit)
    if replicates is None or not replicates.findings:
        return ()
    return (f"Decide by all {count(len(replicates.audits))} replicates together, not by this one.",)


# ---- several models ------------------------------------------------------------------------------------------------------------------


def models_steps(asked: Sequence[Asked], results: Results) -> tuple[str, ...]:
    """Return what to do after an audit of several models; `asked` is the question of the headline, the worst model first."""
    if not asked:
        return ()
    if any(audit.data.limited for audit in results.audits):
        return _LIMITED
    steps = (*_not_to_choose(results), *_choice([pair for pair in asked if is_judged(pair[1])], results))
    return (*steps[: MOST_STEPS - 1], "Open the audit of a model below for what to do about it.")


def _not_to_choose(results: Results) -> tuple[str, ...]:
    """Name models that breached a gate, and those that may not see anything."""
    breached = [*dict.fromkeys(audit.model.name for audit in results.audits if _failed(audit, results))]
    blind = _blind(results)
    return (
        *([f"Do not release {phrases.listed(breached)} on these results: a gate is breached."] if breached else []),
        *([f"Do not choose {phrases.listed(blind)} by these results: the row in the chart says why."] if blind else []),
    )


def _blind(results: Results) -> list[str]:
    return [audit.model.name for audit in results.audits if audit.findings and all(one.unresponsive for one in planned(audit.findings))]


def _choice(judged: Sequence[Asked], results: Results) -> tuple[str, ...]:
    """Say which models to prefer in the question of the headline, if any, and on what evidence."""
    if any(one.findings for one in results.replicates):
        return ("Decide by the joint results of the replicates.",)
    audit, finding = judged[0]
    verdicts = {one.verdict for _, one in judged}
    passing = [one.model.name for one, _ in judged if one.verdict == "equivalent"]
    if verdicts == {"equivalent"}:
        return ("Choose by other properties: in this question, every gap passes the equivalence test.",)
    if "disparity" not in verdicts:
        return (_more_images(next(one for _, one in judged if one.verdict == "inconclusive"), audit),)
    steps = []
    if len(judged) > 1 and all(one.exceeds_tolerance for _, one in judged):
        what = "answers" if finding.metric in _WITHOUT_TRUTH else "errors"
        where = f"where {what} must not depend on {phrases.attributes(finding.attributes)}"
        gaps = "both" if len(judged) == 2 else f"all {len(judged)}"
        steps.append(f"Do not use {_named(judged, results)} {where}: {gaps} gaps exceed the tolerance.")
    if len(passing) == 1:
        steps.append(f"Prefer {passing[0]} if gaps decide: only it passes the equivalence test in every question.")
    return (*steps, *_paired_choice(judged, results))


def _named(judged: Sequence[Asked], results: Results) -> str:
    """Name the models of a question, or say that they are all, or all that recognise something."""
    others = len({one.model.name for one in results.audits}) - len(judged)
    if others == 0:
        return "any of these models"
    return "any of the others" if others == len(_blind(results)) else phrases.listed([one.model.name for one, _ in judged])


def _paired_choice(judged: Sequence[Asked], results: Results) -> tuple[str, ...]:
    names, (audit, finding) = {one.model.name for one, _ in judged}, judged[0]
    compared = results.paired_models.comparisons if results.paired_models else ()
    changes = [
        (one.after, change)
        for one in compared
        for change in one.changes
        if {one.before, one.after} <= names and (one.probe, change.id) == (audit.probe.name, finding.id) and change.gap
    ]
    if changes:
        return (preferred_model(compared[0].before, changes, results.settings.alpha),)
    several_tasks = not compared and len(by_task(results.audits, lambda one: one)) > 1
    return (f"Audit the models with the same task together, without the others: then they are compared, {_PAIRED}.",) * several_tasks


def preferred_model(first: str, changes: Sequence[tuple[str, Change]], alpha: float) -> str:
    """Say which model to prefer by one gap, from its changes between the `first` model and each of the others."""
    smaller, levelled, larger, raised = (
        phrases.listed([after for after, change in changes if _kind_of(change, alpha) == kind])
        for kind in ("smaller", "levelled", "larger", "raised")
    )
    if smaller:
        return f"Prefer {smaller} to {first} if this gap decides: it is smaller, {_PAIRED}."
    for after, change in changes:
        if pair := reversed_pair(change):
            groups = f"{phrases.group(pair.first)} and {phrases.group(pair.second)}"
            return f"Look at {groups} before you choose between {first} and {after}: they change places."
    if larger:
        return f"Prefer {first} to {larger} if this gap decides: it is smaller, {_PAIRED}."
    if levelled:
        return f"Do not prefer {levelled} to {first} by this gap alone: it is smaller because the best group is worse off."
    if raised:
        return f"Decide whether your use needs equal rates: this gap is larger in {raised}, but no group is shown to be worse off."
    return f"Do not choose by this gap: {_PAIRED}, none of the others differs detectably from {first}."


def _kind_of(change: Change, alpha: float) -> str:
    """Tell whether a gap is smaller or larger, and whether only because the best group is worse or better off."""
    if change.direction == "shrank":
        return "levelled" if levelling(change, alpha) else "smaller"
    if change.direction == "grew":
        return "larger" if change.better == "neither" or worse_cells(change, alpha) else "raised"
    return ""


# ---- a comparison --------------------------------------------------------------------------------------------------------------------


def comparison_steps(verdict: VerdictSentence, comparison: Comparison, comparisons: Comparisons) -> tuple[str, ...]:
    """Return what to do after a comparison of two models."""
    failed = [row.expression for row in change_gate_rows(comparisons, comparison) if row.outcome == "breached"]
    steps = _by_comparison(verdict, comparison, comparisons)
    return (*gate_steps(failed, comparison.after), *dict.fromkeys(steps))[:MOST_STEPS]


def _by_comparison(verdict: VerdictSentence, comparison: Comparison, comparisons: Comparisons) -> tuple[str, ...]:
    if comparison.limited:
        return _LIMITED
    if comparison.same_model:
        return ("Check the two arguments: both sides are the same model with the same answers.",)
    if not verdict.leading:
        return (_too_few(comparisons.settings),) if any(change.primary for change in comparison.changes) else _EXPLORATORY
    if unseeing := _unseeing(comparison, comparisons):
        return unseeing
    first, settings = verdict.leading[0], comparisons.settings
    if first.direction:
        return (*(_about_change(change, comparison, settings) for change in verdict.leading), *_about_rest(verdict, comparison, settings))
    if first.verdict == "inconclusive":
        gaps = "the gap" if sum(change.primary for change in comparison.changes) == 1 else "these gaps"
        return (
            *_weigh(verdict, comparison),
            _decide_change(first, comparison),
            f"Until then, assume neither a change of {gaps} nor its absence.",
        )
    others = f"Choose between {comparison.before} and {comparison.after} by other properties: no gap changed by more than its tolerance."
    return (*_weigh(verdict, comparison), others, "Read the audit of each: a gap that both have is no smaller.")


def _unseeing(comparison: Comparison, comparisons: Comparisons) -> tuple[str, ...]:
    """Name the models of a comparison for which there is no evidence that they use the images, and what to check; empty without any."""
    names = [note.values["name"] for note in comparisons.notes if note.code == "does_not_look"]
    blind = [side for side in comparisons.sides if side.name in names and side.name in (comparison.before, comparison.after)]
    if not blind:
        return ()
    do_not = f"Do not compare gaps with those of {phrases.listed([side.name for side in blind])}."
    files = all(phrases.answers_only(side.model) for side in blind)
    if files:
        return (do_not, _CHECK_ROWS)
    return (do_not, _CHECK_LABELS if all(side.model.labels for side in blind) else "Check its input, then try other prompts or options.")


def _about_change(change: Change, comparison: Comparison, settings: Settings) -> str:
    """Say what a changed gap means for a choice between the two models: not the gap decides, but who got worse."""
    before, after, worse = comparison.before, comparison.after, worse_cells(change, settings.alpha)
    if change.direction == "shrank" and levelling(change, settings.alpha):
        whole = "the" if change.levelled_down else "part of the"
        groups = phrases.group(worse[0].before.group) if len(worse) == 1 else in_words(len(worse), "group")
        return f"Find out why {groups} got worse before you use {after}: that is {whole} reason why the gap by {_by(change)} shrank."
    if change.direction == "shrank":
        return f"Prefer {after} to {before} if the gap by {_by(change)} decides: it is smaller, {_PAIRED}."
    if worse:
        return f"Do not replace {before} with {after} where {_harm(change, worse)}."
    if change.better == "neither":
        return f"Do not replace {before} with {after} where answers must not depend on {_by(change)}."
    return f"Decide whether your use needs equal rates by {_by(change)}: the gap changed, but no group is shown to have got worse."


def _by(change: Change) -> str:
    return phrases.attributes(change.attributes)


def _harm(change: Change, worse: Sequence[RateChange]) -> str:
    """Say what harms the groups that got worse, most of all the first: errors or, without true answers, how often they get an answer."""
    shown = worse if len(worse) <= _MOST_WORSE else worse[:1]
    levels = [[*zip(change.attributes, cell.before.group, strict=True)] for cell in shown]
    named = all(level[:1].isalpha() for pairs in levels for _, level in pairs)
    groups = [phrases.group((*(level if named else f"{phrases.attributes([name])} {level}" for name, level in pairs),)) for pairs in levels]
    rest = [] if len(shown) == len(worse) else [in_words(len(worse) - 1, "other group")]
    start = "" if not named else "the group " if len(shown) == 1 else "the groups "
    whom = f"{start}{phrases.listed([*groups, *rest])}"
    if change.metric not in _WITHOUT_TRUTH:
        return f"errors for {whom} would do harm"
    return f"{'more' if change.better == 'low' else 'fewer'} answers ‘{change.outcome}’ would harm {whom}"


def _about_rest(verdict: VerdictSentence, comparison: Comparison, settings: Settings) -> tuple[str, ...]:
    """Return what follows a change of a gap: the cost over all images, and the gap that is left."""
    left = [change for change in verdict.leading if change.direction == "shrank" and change.verdict_after == "disparity"]
    levelled = any(levelling(change, settings.alpha) for change in verdict.leading)
    return (
        *(() if levelled else _weigh(verdict, comparison)),
        *(f"Read the audit of {comparison.after}: a gap by {_by(change)} is left." for change in left[:1]),
    )


def _weigh(verdict: VerdictSentence, comparison: Comparison) -> tuple[str, ...]:
    return (f"Decide whether {comparison.after} is worth what it loses over all images.",) if verdict.lost else ()


def _decide_change(change: Change, comparison: Comparison) -> str:
    """Say how many images would decide: variances fall as images grow, so that the detectable change falls with the square root."""
    gap = change.gap
    if change.withheld:
        return _FIND_TRUTH
    if comparison.cluster is not None:
        return _more_clusters(comparison.cluster)
    if gap is None or not change.tolerance < gap.minimum_detectable < 1:
        return "Audit more images if a gap that grew and one that shrank would lead to different decisions."
    images = two_digits(change.overall.before.n * (gap.minimum_detectable / change.tolerance) ** 2)
    now, size = count(change.overall.before.n), f"{exact_points(change.tolerance)} between two groups"
    of = f" of ‘{change.confused[0]}’" if change.confused else ""
    return f"Audit about {count(images)} images{of} instead of {now}: enough to detect a change of {size}, with power 0.8."


# ---- one function for each way in which an audit can end -----------------------------------------------------------------------------


def _disparity(headline: Headline, audit: AuditResult, results: Results) -> tuple[str, ...]:
    finding = headline.finding
    if finding is None:
        return (_COMPARE,)
    return (_reliance(finding, audit), *_check_first(finding, audit, results), _MITIGATE if _can_mitigate(finding, audit) else _COMPARE)


def _can_mitigate(finding: Finding, audit: AuditResult) -> bool:
    """Whether `vlm-audit mitigate` takes such a model and question: a dual encoder in a file, and groups of one attribute."""
    encoder = audit.model.dimensions > 0 and audit.model.kind.startswith(_EDITABLE) and not audit.model.kind.endswith("from memory")
    return encoder and len(finding.attributes) == 1 and audit.data.weights is None


def _reliance(finding: Finding, audit: AuditResult) -> str:
    """Say what not to use the answers for."""
    shown, attributes = with_error_rates(finding, audit), phrases.attributes(finding.attributes)
    taken = confused(finding, audit)
    outcome = taken[1] if taken else finding.outcome
    named = f"the answer ‘{outcome}’" if outcome else (answers_phrase(finding, audit) or "these answers")
    if finding.outcome in (FAILED, STOPPED):
        return f"Find out why samples of {_affected(finding, audit)} end in ‘{outcome}’: they have no answer to judge."
    if finding.outcome in NO_ANSWER:
        return f"Read replies counted as ‘{outcome}’ for {_affected(finding, audit)}: other prompts may get answers."
    if shown.better == "neither" or finding.diffuse:
        return f"Do not use {named} where {'it' if outcome else 'they'} must not depend on {attributes}."
    if shown.better == "low" and not taken and shown.metric in (*_WITHOUT_TRUTH, "false_positive_rate"):
        return f"Have a person check every answer ‘{outcome}’, or remove that option."
    affected = _affected(finding, audit)
    if shown.metric in _WITHOUT_TRUTH:
        return f"Do not rely on {named} where getting it less often would harm {affected}."
    return f"Do not rely on {named} where errors for {affected} would do harm."


def _affected(finding: Finding, audit: AuditResult) -> str:
    levels = phrases.leading_groups(finding)[0]
    named = whom_phrase(phrases.rate_of(finding, levels), finding, audit)
    return f"the group {named}" if named == phrases.group(levels) else named


def _check_first(finding: Finding, audit: AuditResult, results: Results) -> tuple[str, ...]:
    """Return the one check that most likely changes what to do."""
    if adjusted := shifted(finding):
        return (f"Decide whether your use needs the groups compared as they are or at equal {phrases.equal(adjusted.others)}.",)
    if composition_sentence(finding):
        return ("Compare groups with equal shares of the true answers before you act.",)
    if finding.better == "neither" and _can_add_truth(finding, audit):
        return ("Add true answers to the file (column y_true): they show which group gets wrong ones.",)
    if not finding.exceeds_tolerance and not finding.diffuse:
        return (_if_it_matters(finding),)
    labels = finding.evidence.label_noise and finding.evidence.label_noise.tipping_point
    if labels and labels.share <= _FEW_LABELS:
        return (f"Check who is labelled {phrases.group(labels.worst)}: {count(labels.images)} wrong labels could overturn this.",)
    if trust_lines(audit, results):
        return ("Read ‘Can it be trusted?’ before acting.",)
    return ()


def _can_add_truth(finding: Finding, audit: AuditResult) -> bool:
    """Whether the answers are from a file without true answers."""
    truths = {record.name: record.truth for record in audit.measurements}
    return audit.probe.name == "predictions" and truths.get(finding.measurement) is None


def _if_it_matters(finding: Finding) -> str:
    """Ask for more images if both ends of the interval do not lead to the same decision."""
    pair, places = phrases.leading_pair(finding), phrases.gap_places(finding)
    if pair is None:
        return "Audit more images."
    groups = " and ".join(phrases.group(group) for group in phrases.leading_groups(finding))
    low, high = points(max(pair.low, 0.0), places).split()[0], points(pair.high, places)
    return f"Audit more images of {groups} if a gap of {low} and one of {high} would lead to different decisions."


def _equivalent(headline: Headline, audit: AuditResult, results: Results) -> tuple[str, ...]:
    beyond = "Read ‘What this cannot tell’ before you conclude more: other groups and questions were not tested."
    if headline.visible:
        return (_plan(headline.visible), beyond)
    if classes_not_compared(audit.data.notes):
        named = "with `--outcome NAME=LABEL`" if audit.probe.name == "predictions" else "from images of these classes alone"
        return (f"Compare the classes that matter to you by themselves, {named}.", beyond)
    return ("Change nothing for these questions and groups.", *_keep(audit, results), beyond)


def _keep(audit: AuditResult, results: Results) -> tuple[str, ...]:
    """Suggest a gate at the tolerance, if there is one tolerance and no gate."""
    tolerances = {finding.tolerance for finding in planned(audit.findings)}
    if results.gates or len(tolerances) != 1:
        return ()
    return (f"Add `--fail-on 'gap > {tolerances.pop():g}'` to later audits, so that a larger gap does not go unnoticed.",)


def _plan(signal: Finding) -> str:
    return f"Plan the question by {phrases.attributes(signal.attributes)} and test it on new images before you act on it."


def _inconclusive(headline: Headline, audit: AuditResult, results: Results) -> tuple[str, ...]:
    undecided = next((finding for finding in planned(audit.findings) if finding.verdict == "inconclusive" and finding.gap), None)
    lacks_truth = any(effect.withheld for effect in planned_effects(audit))
    more = (_more_images(undecided, audit),) if undecided else (_FIND_TRUTH,) if lacks_truth else ()
    until = "Until then, treat the groups neither as equal nor as unequal."
    return (*more, *([_plan(headline.visible)] if headline.visible else []), until)


def _more_images(undecided: Finding, audit: AuditResult) -> str:
    """Say how many more images of which groups to audit or, where their number is unknown, what kind of them."""
    if lacking_by_answer(undecided):
        return _FIND_TRUTH
    if needed := needed_step(undecided):
        return needed
    if audit.data.cluster is not None:
        return _more_clusters(audit.data.cluster)
    return _if_it_matters(undecided)


_FIND_TRUTH = "Find the missing true answers, or draw at random, regardless of the answer, which images get one."


def _more_clusters(cluster: str) -> str:
    return f"Audit images from more clusters (by {phrases.attributes([cluster])}): more images of the same ones add little."


def _not_estimable(headline: Headline, audit: AuditResult, results: Results) -> tuple[str, ...]:
    if any(finding.unresponsive for finding in planned(audit.findings)):
        return _unresponsive(headline, audit, results)
    return (_too_few(results.settings),)


def _too_few(settings: Settings) -> str:
    return f"Audit more images, or compare broader groups: at least two need {in_words(settings.min_group_size, 'image')} that count."


def _unresponsive(headline: Headline, audit: AuditResult, results: Results) -> tuple[str, ...]:
    """Say what to try with a model that recognises nothing, or whose answers do not depend on the images."""
    do_not = "Do not read gaps between groups from these answers."
    if phrases.answers_only(audit.model) and not audit.is_served:
        return (do_not, _CHECK_ROWS)
    if is_invalid(audit):
        return (do_not, "Choose a probe of things that this model was trained to recognise: `vlm-audit run --list-probes`.")
    if audit.model.labels:
        return (do_not, _CHECK_LABELS)
    sent = "Read some replies in the answer log to check that the model receives the images" if audit.is_served else "Check its input"
    return (do_not, f"{sent}, then try other prompts or options.")


def _unanswered(headline: Headline, audit: AuditResult, results: Results) -> tuple[str, ...]:
    return ("Read some replies in the answer log, change prompts or options so that the model can answer, and run the audit again.",)


def _limited(headline: Headline, audit: AuditResult, results: Results) -> tuple[str, ...]:
    return _LIMITED_LOG if any(note.code == "log_limited" for note in audit.data.notes) else _LIMITED


def _exploratory(headline: Headline, audit: AuditResult, results: Results) -> tuple[str, ...]:
    return (_ANOTHER_LANGUAGE,) if withheld(audit) else _EXPLORATORY


_BY_KIND: dict[str, Callable[[Headline, AuditResult, Results], tuple[str, ...]]] = {
    "disparity": _disparity, "equivalent": _equivalent, "inconclusive": _inconclusive, "not estimable": _not_estimable,
    "unresponsive": _unresponsive, "unanswered": _unanswered, "limited": _limited, "exploratory": _exploratory,
}  # fmt: skip
