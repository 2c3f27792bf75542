"""Sentences about a mitigation. A gap is smaller on these images, or that was not shown: nothing here calls a model anything else."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from audit.extensions.mitigate.record import CapabilityCode, Form, MapControl, Mitigation, Outcome
from audit.records.comparison import Change
from audit.types import Note
from reports.text import comparison_headline
from reports.text.comparison import few_places
from reports.text.next_steps import MOST_STEPS, gate_steps
from reports.text.notes import sentence
from reports.text.numbers import count, difference, exact_points, in_words, level, lower_first, number, p_phrase, percent, points

OUTCOMES: Mapping[Outcome, str] = {"better": "Better", "no change shown": "No change shown", "worse": "Worse"}
METHODS: Mapping[str, tuple[str, str]] = {
    "mean-difference-within-class": (
        "Mean difference within class", "the differences between groups among images with the same true answer",
    ),
    "leace": ("LEACE", "everything that covaries with the group, with the least change of the embeddings"),
    "mean-difference": ("Mean difference", "all differences between the means of groups"),
    "projection": ("Projection", "the directions in which prompts for the groups differ"),
    "calibrated-projection": (
        "Calibrated projection",
        "the directions in which prompts for the groups differ, and most of those in which prompts that should mean the same differ",
    ),
    "finetune": ("Further training", "nothing: its weights are trained further"),
}  # fmt: skip
"""The name of each method, and what it removes."""
CONTROLS: Mapping[str, str] = {
    "random directions": "tries with random directions", "shuffled groups": "tries with shuffled groups",
    "uncorrected captions": "trainings on uncorrected captions",
}  # fmt: skip
CAPABILITY: Mapping[CapabilityCode, str] = {
    "equivalent": "shown to be equal within {}", "higher": "shown to be higher", "not lower": "shown not to be more than {} lower",
    "lower": "shown to be more than {} lower", "not shown": "it may be more than {} lower",
}  # fmt: skip
"""What the 90 % interval of the change of the accuracy shows."""
CAPTIONS = {"true answers": "the prompts of the true answers as captions", "table": "captions from a table"}
MOST_REASONS = 4
NOT_MITIGATED = (
    "Hidden states are unchanged. Captioning and diffusion models, and heads trained on hidden states, are not affected.",
    "Later training can bring back what was removed. Audit the model again after it.",
    "The temperature is unchanged, so thresholds on scores have to be chosen again.",
    "Other data, other questions and other groups were not tested.",
)
LIMITS = {False: "What this does not change", True: "What else may have changed"}
"""The title of the section with these, by whether the model was trained further."""
NOT_TRAINED = (
    "Training on few images can make a model worse on others. Only the questions of this probe were tested.",
    "Captioning and diffusion models, and heads trained on hidden states, read states that changed: test them again.",
    "The temperature was trained, too, so thresholds on scores have to be chosen again.",
    NOT_MITIGATED[-1],
)
REASONS: Mapping[str, str] = {
    "gap_grew": "{finding}: the gap grew from {before:.1%} to {after:.1%}.",
    "changed_within_tolerance": "{finding}: the gap changed significantly, from {before:.1%} to {after:.1%}, and by less than the "
    "tolerance of {tolerance:.0%}.",
    "order_reversed": "{finding}: {first} and {second} changed places.",
    "levelled_down": "{finding}: a group's rate became worse by more than the margin, and no group's is shown to have become better.",
    "capability_lost": "The accuracy of {measurement} fell by more than the margin, from {before:.1%} to {after:.1%}.",
    "gap_not_estimable": "{finding}: the gap cannot be estimated on the shown half.",
    "gap_not_smaller": "{finding}: the gap is not significantly smaller (adjusted p {p:.2g}).",
    "random_as_small": "Of {draws:,} maps that remove random directions, too many leave as small a gap (p = {p:.2f}; 0.05 would do).",
    "shuffled_as_small": "Of {draws:,} maps fitted on shuffled groups, too many leave as small a gap (p = {p:.2f}; 0.05 would do): "
    "the change is not shown to be specific to the groups.",
    "capability_unknown": "Without true answers other than the group, it cannot be shown that the accuracy did not fall.",
    "capability_not_shown": "It is not shown that the accuracy of {measurement} fell by less than {margin:.1%}: more images would be "
    "needed.",
    "uncorrected_as_small": "Of {draws:,} trainings on uncorrected captions, too many leave as small a gap (p = {p:.2f}; 0.05 would "
    "do): it is not shown that the corrections are the reason.",
    "no_shuffled_control": "The map was made from prompts and not from groups, so only random directions could be used as a control.",
}
"""The sentence of every reason, by the code of its note."""
_BUT: Mapping[str, str] = {
    "random_as_small": "random directions do as well",
    "shuffled_as_small": "the same with shuffled groups does as well",
    "uncorrected_as_small": "the same training on uncorrected captions does as well",
    "capability_unknown": "what this cost in accuracy is not known",
    "capability_not_shown": "it is not shown that the accuracy did not fall",
}
"""Why a gap that is smaller is not enough."""


def method_name(method: str) -> str:
    """Return the name of a method."""
    return METHODS[method][0] if method in METHODS else method


def page_title(facts: Mitigation) -> str:
    """Return the title of the page."""
    return f"{facts.comparison.before} changed by {lower_name(facts.plan.method)}"


def lower_name(method: str) -> str:
    """Return the name of a method within a sentence."""
    name = method_name(method)
    return name if name.isupper() else lower_first(name)


def mitigation_deck(facts: Mitigation) -> str:
    """Return which images the change was fitted and judged on."""
    return f"fitted on {in_words(facts.fitted.images, 'image')}, judged on {count(facts.shown.images)} others"


def removed_sentence(facts: Mitigation) -> str:
    """Say what was removed, and from which towers; or on what the model was trained further."""
    if (training := facts.plan.training) is not None:
        half = f"{in_words(training.images, 'image')} of the fitted half"
        return f"The weights were trained further on {half}, with {CAPTIONS[training.captions]}."
    towers = " and ".join(facts.plan.towers) + (" towers" if len(facts.plan.towers) > 1 else " tower")
    what = METHODS[facts.plan.method][1] if facts.plan.method in METHODS else facts.plan.method
    return f"Removed from the embeddings ({towers}): {what}."


# ---- what happened -------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class OutcomeSentence:
    """The outcome in readable form."""

    headline: str
    why: tuple[str, ...]
    """The reasons that the headline does not give."""

    @property
    def sentence(self) -> str:
        """Return both, for use on their own."""
        return " ".join((self.headline, *self.why))


def outcome_sentence(facts: Mitigation) -> OutcomeSentence:
    """Say what happened to the gap or, if the model is worse, what became worse; then the other reasons."""
    if facts.outcome == "worse":
        first, others = facts.reasons[:1], [note for note in facts.reasons[1:] if note.code != "capability_lost"]  # the cost says that
        headline = _reason(first[0], facts) if first else "The changed model is worse."
        return OutcomeSentence(headline, _reasons(facts, others))
    headline, covered = _headline(facts)
    return OutcomeSentence(headline, _reasons(facts, [note for note in facts.reasons if note.code not in covered]))


def _headline(facts: Mitigation) -> tuple[str, tuple[str, ...]]:
    """Return what happened to the gap, and the codes of the reasons that this covers."""
    change, codes = facts.target, [note.code for note in facts.reasons]
    gap = None if change is None else change.gap
    if change is None or gap is None:
        return f"The gap of {facts.plan.question} cannot be estimated on the images that it was to be judged on.", ("gap_not_estimable",)
    rate, sizes = changed_rate(change, facts), _sizes(change)
    if facts.outcome == "better":
        return f"The gap in {rate} is smaller: {sizes}.", ()
    if "gap_not_smaller" in codes:
        start = f"It is not shown that the gap in {rate} became" if gap.difference < 0 else f"The gap in {rate} did not become"
        return f"{start} smaller: {sizes}.", ("gap_not_smaller",)
    but = next((_BUT[code] for code in codes if code in _BUT), "")
    return f"The gap in {rate} is smaller ({sizes}), but {but or 'this is not enough'}.", ()


def leading_change(facts: Mitigation) -> Change | None:
    """Return the change that the headline is about: the first that became worse, or that of the question."""
    named = [note.values.get("finding") for note in facts.reasons] if facts.outcome == "worse" else []
    return next((change for finding in named for change in facts.comparison.changes if change.id == finding), facts.target)


def _reasons(facts: Mitigation, notes: Sequence[Note]) -> tuple[str, ...]:
    """Return the sentences of reasons: the first few, and how many more there are, which the list of questions shows.

    Where a gap grew, it is not news that a group became worse off.
    """
    grew = {note.values["finding"] for note in facts.reasons if note.code == "gap_grew"}
    notes = [note for note in notes if note.code != "levelled_down" or note.values["finding"] not in grew]
    more = len(notes) - MOST_REASONS
    sentences = [_reason(note, facts) for note in (notes[:MOST_REASONS] if more > 1 else notes)]
    return (*sentences, *([f"{count(more)} more reasons: see the questions."] if more > 1 else []))


def _reason(note: Note, facts: Mitigation) -> str:
    """Return the sentence of a reason, with the name of its question."""
    if note.code == "capability_lost" and (cost := facts.capability) is not None:
        sizes = f"{percent(cost.before, 1)} before, {percent(cost.after, 1)} after"
        return f"Accuracy ({cost.measurement}) fell by more than {exact_points(cost.margin)}: {sizes}."
    change = next((change for change in facts.comparison.changes if change.id == note.values.get("finding")), None)
    if change is None:
        return sentence(note, REASONS)
    rate = changed_rate(change, facts)
    if note.code == "gap_grew":
        return f"The gap in {rate} grew: {_sizes(change)}."
    if note.code == "changed_within_tolerance":
        return f"The gap in {rate} changed by less than its tolerance of {exact_points(change.tolerance)}: {_sizes(change)}."
    if note.code == "order_reversed":
        return f"In {rate}, {note.values['first']} and {note.values['second']} changed places."
    if note.code == "levelled_down":
        return f"In {rate}, a group became worse off by more than {exact_points(facts.plan.margin)}, and none is shown to be better off."
    return sentence(note, REASONS)


def changed_rate(change: Change, facts: Mitigation) -> str:
    """Name the rate and the attribute of a question: ``role accuracy by gender``."""
    return comparison_headline.tested_rate(change, several=len({other.measurement for other in facts.comparison.changes}) > 1)


def _sizes(change: Change) -> str:
    if change.gap is None:
        return "not estimable"
    places = few_places(change)
    return f"{points(change.gap.before.value, places)} before, {number(change.gap.after.value, places)} after"


def gap_sentence(facts: Mitigation) -> str:
    """Return the change of the gap with its interval and p, and what is left."""
    change = facts.target
    if change is None or change.gap is None:
        return ""
    gap = change.gap
    return (
        f"Change of the gap: {difference(gap.difference, gap.low, gap.high)} points ({_level(facts)} interval; "
        f"{p_phrase(gap.p_adjusted, 'adjusted p')}), on {in_words(facts.shown.images, 'image')} that the change was not fitted on."
    )


def remaining(facts: Mitigation) -> str:
    """Say that a gap is left, if it became smaller."""
    change = facts.target
    if facts.outcome != "better" or change is None or change.gap is None:
        return ""
    left, places = change.gap.after, few_places(change)
    if change.verdict_after != "disparity":
        return f"What is left: {points(left.value, places)}; the changed model’s own audit ends with “{change.verdict_after}”."
    return f"A gap of {points(left.value, places)} is left, and the changed model’s own audit still ends with “disparity”."


# ---- what it cost, and whether the method did it --------------------------------------------------------------------------------------


def cost_sentence(facts: Mitigation) -> str:
    """Return the cost in accuracy and what is shown about it, without the interval."""
    cost = facts.capability
    if cost is None:
        return "Not known: the probe has no true answers other than the group."
    shown = CAPABILITY[cost.code].format(exact_points(cost.margin))
    return f"Accuracy ({cost.measurement}) went from {percent(cost.before, 1)} to {percent(cost.after, 1)}: {shown}."


def cost_label(facts: Mitigation) -> str:
    """Return the label of the cost: an accuracy that did not fall, and is shown not to be lower by more than the margin, cost nothing."""
    cost = facts.capability
    none = cost is not None and cost.after >= cost.before and cost.code in ("equivalent", "higher", "not lower")
    return "No cost shown" if none else "Cost"


def capability(facts: Mitigation) -> str:
    """The cost in accuracy with its interval, on its own."""
    cost = facts.capability
    if cost is None:
        return "Cost in accuracy: not known, because the probe has no true answers other than the group."
    change = difference(cost.change.value, cost.change.low, cost.change.high, 1)
    return f"{cost_sentence(facts)[:-1]} ({change} points, 90\u00a0% interval)."


def as_small(control: MapControl, facts: Mitigation) -> int | None:
    """Return how many of the maps leave a gap that is at most as large as that of the exported one."""
    own = exported_gap(facts)
    return None if own is None else sum(gap <= own + 1e-12 for gap in control.gaps)


def exported_gap(facts: Mitigation) -> float | None:
    """Return the gap after the exported map."""
    return next((tried.gap.after.value for tried in facts.tried if tried.method == facts.plan.method), None)


def controls(facts: Mitigation) -> list[str]:
    """How many random maps leave as small a gap, one sentence each."""
    counted = [(control, as_small(control, facts)) for control in facts.controls]
    return [
        f"Of {count(len(control.gaps))} {CONTROLS[control.kind]}, {count(smaller)} leave a gap as small or smaller ({p_phrase(control.p)})."
        for control, smaller in counted
        if smaller is not None
    ]


def tiles(facts: Mitigation) -> tuple[tuple[str, str], ...]:
    """Return number and label: the change of the gap, the cost, and the control that comes closest."""
    shown, change, cost = [], facts.target, facts.capability
    if change is not None and change.gap is not None:
        gap, places = change.gap, few_places(change)
        ends = difference(gap.difference, gap.low, gap.high, places).partition(" ")[2]
        shown.append((_signed(gap.difference, places), f"change of the gap, {_level(facts)} interval {ends}"))
    if cost is not None:
        ends = difference(cost.change.value, cost.change.low, cost.change.high, 1).partition(" ")[2]
        shown.append((_signed(cost.change.value, 1), f"change of the accuracy, 90\u00a0% interval {ends}"))
    if closest := max(facts.controls, key=lambda control: control.p, default=None):
        few = f"{count(as_small(closest, facts) or 0)} of {count(len(closest.gaps))}"
        shown.append((few, f"{CONTROLS[closest.kind]} leave a gap as small or smaller"))
    return tuple(shown)


def _level(facts: Mitigation) -> str:
    return level(facts.settings.alpha).replace(" ", "\u00a0")


def _signed(fraction: float, places: int) -> str:
    return f"{number(fraction, places, signed=True)} points"


# ---- the plan, earlier runs, and how to use the model ---------------------------------------------------------------------------------


def earlier(facts: Mitigation) -> str | None:
    """How often the same data were used before."""
    if facts.earlier is None:
        return "This run could not be recorded, and earlier runs on these data are not counted."
    if not facts.earlier:
        return None
    runs = "was one earlier run" if len(facts.earlier) == 1 else f"were {len(facts.earlier)} earlier runs"
    return f"There {runs} on the same data on this machine: this outcome is one of several tries."


_MOST_TENSORS = 4
_CHOSEN = {"planned": "planned by the probe", "named": "named for this run", "worst": "the largest planned gap of the fitted half"}


def plan_rows(facts: Mitigation) -> tuple[tuple[str, str], ...]:
    """Return what was fixed before any number of the shown half was computed, as terms and values."""
    plan, fold = facts.plan, facts.fold
    others = ", ".join(map(lower_name, plan.others))
    changed = ", ".join(fold.changed) if len(fold.changed) <= _MOST_TENSORS else count(len(fold.changed))
    return (
        ("Question", f"{plan.question} ({_CHOSEN[plan.chosen]})"),
        *_method_rows(facts),
        ("Towers changed", " and ".join(plan.towers)),
        ("Other methods tried, not exported", others or "none"),
        ("Never split between the halves", plan.unit.replace("_", " ")),
        ("Fitted half", _half(facts.fitted.images, facts.fitted.groups)),
        ("Shown half", _half(facts.shown.images, facts.shown.groups)),
        ("Seed of the split, from the data", str(plan.seed)),
        ("Questions whose gap may not grow", ", ".join(plan.watched)),
        ("Accuracy that may not fall", "none with true answers other than the group" if plan.capability is None else plan.capability),
        ("Largest fall that would not matter", exact_points(plan.margin)),
        ("Changed tensors", f"{changed} ({fold.dtype})"),
        (
            f"Written model against {'the trained one' if plan.training else 'mapped embeddings'}",
            f"at most {fold.difference:.1g} apart; allowed: {fold.tolerance:g}",
        ),
    )


def _method_rows(facts: Mitigation) -> tuple[tuple[str, str], ...]:
    """Return what was done to the model."""
    method, training = facts.plan.method, facts.plan.training
    if training is None:
        named = f"{method_name(method)}, which removes {METHODS[method][1]}" if method in METHODS else method
        return ("Method", named), ("Directions removed", count(facts.fold.rank or 0))
    return (
        ("Method", f"{method_name(method)}, with {CAPTIONS[training.captions]}"),
        ("Images with captions", count(training.images)),
        ("Settings of the trainer", ", ".join(training.settings)),
        ("Trainings on uncorrected captions, where they decide", count(training.controls)),
    )


def _half(images: int, groups: Mapping[str, int]) -> str:
    return f"{in_words(images, 'image')}: {', '.join(f'{name} {count(n)}' for name, n in groups.items())}"


FORMS: Mapping[Form, str] = {
    "Hugging Face folder": "from transformers import AutoProcessor, {name}\n\n"
    "model = {name}.from_pretrained(DIR)\nprocessor = AutoProcessor.from_pretrained(DIR)",
    "open_clip folder": "import open_clip\n\n"
    'model, _, preprocess = open_clip.create_model_and_transforms(f"local-dir:{{DIR}}")\n'
    'tokenizer = open_clip.get_tokenizer(f"local-dir:{{DIR}}")',
    "vlm-audit folder": "from audit.models import load\n\n"
    "model = load(DIR)\nimages, texts = model.encode_images(pictures), model.encode_texts(prompts)",
}
_CLASS = re.compile(r"Hugging Face ([A-Za-z]\w*)")


def loading(form: Form, kind: str) -> str:
    """Return the code that loads a changed model of some form, and of some `kind` (`ModelRecord`); `DIR` is its folder."""
    named = _CLASS.fullmatch(kind)
    return FORMS[form].format(name=named[1] if named else "AutoModel")


def note_for_model_card(facts: Mitigation) -> str:
    """A paragraph for the README of the changed model."""
    said = [f"{OUTCOMES[facts.outcome]}.", outcome_sentence(facts).sentence, gap_sentence(facts), capability(facts), earlier(facts) or ""]
    return (
        "## Changed by vlm-audit mitigate\n\n"
        f"{_changed(facts)} {' '.join(filter(None, said))}\n\n"
        f"{' '.join(not_mitigated(facts)) if facts.plan.training else _UNCHANGED} Details: report.html, mitigation.json.\n"
    )


_UNCHANGED = (
    "Hidden states are unchanged, and training can bring back what was removed. Other data, other questions and other groups were not "
    "tested."
)


def _changed(facts: Mitigation) -> str:
    if facts.plan.training is not None:
        return removed_sentence(facts)
    towers = f"{' and '.join(facts.plan.towers)} tower{'s' if len(facts.plan.towers) > 1 else ''}"
    return f"The output layers of the {towers} were changed ({lower_name(facts.plan.method)}, directions removed: {facts.fold.rank})."


def not_mitigated(facts: Mitigation) -> tuple[str, ...]:
    """Return what the change does not reach, or what was not tested."""
    return NOT_MITIGATED if facts.plan.training is None else NOT_TRAINED


# ---- what to do next ------------------------------------------------------------------------------------------------------------------


def mitigation_steps(facts: Mitigation) -> tuple[str, ...]:
    """Return what to do after a mitigation."""
    failed = [gate.expression for gate in facts.compared.gates if gate.outcome == "breached"]
    again = "Another method on these images is another try: confirm its result on images that no run has used."
    if facts.outcome == "better":
        confirm = ("Confirm it on images that no run has used: this was not the first try.",) if facts.earlier else ()
        steps = (
            *confirm,
            "Audit the changed model on data of its intended use before you use it.",
            f"Read ‘{LIMITS[facts.plan.training is not None]}’ first.",
        )
    elif facts.outcome == "no change shown" and _blocking(facts) == {"capability_not_shown"}:
        steps = ("Judge it on more images: it is not shown that the accuracy did not fall.", "Until then, keep the original model.")
    else:
        map_failed = facts.outcome != "worse" and facts.plan.training is None
        cause = f"Look for the cause in the training data{': a map cannot remove every gap that was learned' if map_failed else ''}."
        steps = ("Keep the original model.", cause, again)
    return (*gate_steps(failed), *steps)[:MOST_STEPS]


def _blocking(facts: Mitigation) -> set[str]:
    return {note.code for note in facts.reasons} - {"changed_within_tolerance"}
