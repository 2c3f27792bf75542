"""Sentences about a mitigation. A gap is smaller on these images, or that was not shown: nothing here calls a model anything else."""

from __future__ import annotations

from dataclasses import replace

from audit.records.mitigation import Mitigation
from reports.text.comparison import title
from reports.text.notes import sentence

HEADINGS = {"better": "Better", "no change shown": "No change shown", "worse": "Worse"}


def summary(facts: Mitigation) -> str:
    """The outcome, and the gap before and after, in two sentences."""
    change = next((change for change in facts.comparison.changes if change.id == facts.plan.question), None)
    named = _titles(facts).get(facts.plan.question, facts.plan.question)
    images = f"on {facts.shown.images:,} images that the change was not fitted on"
    if change is None or change.gap is None:
        return f"{HEADINGS[facts.outcome]}. {named}: the gap cannot be estimated {images}."
    gap, level = change.gap, 100 * (1 - facts.plan.settings.alpha)
    return (
        f"{HEADINGS[facts.outcome]}. {named}: the gap was {100 * gap.before.value:.1f} points before and is "
        f"{100 * gap.after.value:.1f} after {facts.plan.method} ({100 * gap.difference:+.1f}, {level:g} % interval {100 * gap.low:+.1f} to "
        f"{100 * gap.high:+.1f}, adjusted p {gap.p_adjusted:.2g}), {images}."
    )


def reasons(facts: Mitigation) -> list[str]:
    """Why the outcome is what it is, one sentence each."""
    titles = _titles(facts)
    named = [(note, titles.get(str(note.values.get("finding")))) for note in facts.reasons]
    return [sentence(note if name is None else replace(note, values={**note.values, "finding": name})) for note, name in named]


def _titles(facts: Mitigation) -> dict[str, str]:
    """The title of each question that was compared, by its id."""
    return {change.id: title(change) for change in facts.comparison.changes}


def capability(facts: Mitigation) -> str:
    """The cost in accuracy, in one sentence."""
    cost = facts.capability
    if cost is None:
        return "The probe has no true answers besides the group, so the cost in accuracy is not known."
    ends, margin = f"{100 * cost.change.low:+.1f} to {100 * cost.change.high:+.1f}", f"{100 * cost.margin:g} points"
    shown = {
        "equivalent": f"equal within {margin}", "higher": "higher", "not lower": f"not more than {margin} lower",
        "lower": f"more than {margin} lower", "not shown": f"not shown to be equal within {margin}",
    }[cost.code]  # fmt: skip
    return (
        f"Accuracy of {cost.measurement}: {100 * cost.before:.1f} % before, {100 * cost.after:.1f} % after "
        f"({100 * cost.change.value:+.1f}, 90 % interval {ends}): {shown}."
    )


def controls(facts: Mitigation) -> list[str]:
    """How many random maps leave as small a gap, one sentence each."""
    names = {"random directions": "maps that remove random directions", "shuffled groups": "maps fitted on shuffled groups"}
    after = next((tried.gap.after.value for tried in facts.tried if tried.method == facts.plan.method), None)
    return [
        f"Of {len(control.gaps)} {names[control.kind]}, {sum(gap <= after + 1e-12 for gap in control.gaps)} leave a gap as small "
        f"(p {control.p:.2g})."
        for control in facts.controls
        if after is not None
    ]


def earlier(facts: Mitigation) -> str | None:
    """How often the same data were used before."""
    if facts.earlier is None:
        return "This run could not be recorded, and earlier runs on these data are not counted."
    if not facts.earlier:
        return None
    runs = "was one earlier run" if len(facts.earlier) == 1 else f"were {len(facts.earlier)} earlier runs"
    return f"There {runs} on the same data on this machine: this outcome is one of several tries."


def note_for_model_card(facts: Mitigation) -> str:
    """A paragraph for the README of the changed model."""
    towers = f"{' and '.join(facts.plan.towers)} tower{'s' if len(facts.plan.towers) > 1 else ''}"
    removed = f"{facts.plan.method}, directions removed: {facts.fold.rank}"
    return (
        "## Changed by vlm-audit mitigate\n\n"
        f"The output layers of the {towers} were changed ({removed}). {summary(facts)} {' '.join(reasons(facts))} {capability(facts)}\n\n"
        "Hidden states are unchanged, and training can bring back what was removed. Other data, other questions and other groups were not "
        "tested. Details: mitigation.json.\n"
    )
