"""The plan of an audit on a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from audit.cli.progress import duration
from audit.cli.screen import Screen
from audit.engine.forecast import AuditForecast, ProbeForecast
from reports.exports.terminal.lines import lines_of, width
from reports.text.notes import sentence
from reports.text.numbers import in_words

_MOST_LEVELS = 12
_HEADS = ("suite", "model", "probe", "data", "gate", "time", "writes")


def forecast_lines(plan: AuditForecast, screen: Screen) -> str:
    """Return what a user wants to know before waiting: models, questions, groups with n, time, and the files to be written."""
    lines: list[str] = []
    indent = max(map(width, (*_HEADS, *(head for model in plan.models for head, _ in model.said)))) + 2
    for head, text in _said(plan):
        first, *others = lines_of(text, screen, indent=indent)
        lines += [head + first[len(head) :], *others]
    return "\n".join(lines)


def _said(plan: AuditForecast) -> Iterator[tuple[str, str]]:
    if plan.suite is not None:
        yield "suite", sentence(plan.suite.note)
    for model in plan.models:
        size = "" if model.said else f" · {in_words(model.parameters, 'parameter')}"
        yield "model", f"{model.name} · {model.kind}{size}"
        yield from model.said
    for probe_index, probe in enumerate(plan.probes):
        yield from _of_probe(probe, external=not plan.models)
        for model in (model for model in plan.models if model.cached):
            yield "", f"{in_words(model.cached[probe_index], 'image')} in the cache for {model.name}"
        for name, counts in probe.groups.items():
            shown = [f"{level} {n:,}" for level, n in counts.items()]
            more = f", and {in_words(len(shown) - _MOST_LEVELS, 'more level')}" if len(shown) > _MOST_LEVELS else ""
            yield "", f"{name}: {', '.join(shown[:_MOST_LEVELS])}{more}"
    for gate in plan.gates:
        yield "gate", gate
    yield "time", _time(plan)
    if plan.out is not None:
        yield "writes", f"{plan.out}{' (the audit in it is replaced)' if plan.replaces else ''}"
    if plan.junit is not None:
        yield "", str(plan.junit)


def _of_probe(probe: ProbeForecast, *, external: bool) -> Iterator[tuple[str, str]]:
    if probe.texts:
        yield "data", f"{probe.data}: {in_words(probe.images, 'row')} with {in_words(len(probe.texts), 'text')} ({', '.join(probe.texts)})"
        return
    if external:
        yield "data", f"{probe.data}: {in_words(probe.images, 'answer')} to {probe.name!r}"
        return
    questions = f"{in_words(probe.planned, 'planned question')}, {in_words(probe.exploratory, 'exploratory comparison')}"
    others = "".join(f"; {count} and {explored} of a model that is prompted in another way" for count, explored in probe.otherwise)
    yield "probe", f"{probe.name} · {probe.data} · {in_words(probe.images, 'image')} · {questions}{others}"
    if probe.unreadable:
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in probe.unreadable.items())
        yield "", f"{sum(probe.unreadable.values()):,} of {in_words(probe.looked_at, 'file')} looked at cannot be read: {reasons}"
    if probe.changed:
        yield "", f"up to {in_words(probe.changed, 'changed image')} are embedded in addition"
    if probe.attacked:
        yield "", f"up to {in_words(probe.attacked, 'image')} are attacked if the model provides gradients: some dozen passes each"
    if probe.shared:
        which = (
            "the same images as an earlier probe" if probe.shared == probe.images else f"{probe.shared:,} of the images of earlier probes"
        )
        yield "", f"{which}: they are embedded once"
    if probe.shared < probe.images:
        yield "", "images are only decoded in the run"


def _time(plan: AuditForecast) -> str:
    if not plan.models:
        return "no model is run"
    if not plan.to_embed:
        return "no image has to be embedded"
    if plan.seconds is None:
        as_questions = any(not model.cached for model in plan.models)
        return f"unknown: {in_words(plan.to_embed, 'image')} are {'sent to a model with questions' if as_questions else 'embedded'}"
    return f"about {duration(plan.seconds)} to embed {in_words(plan.to_embed, 'image')}; then the statistics"
