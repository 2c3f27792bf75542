"""The evaluation section of a model card: metadata for the hub, and the findings with their limits as text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import yaml

from audit.results import AuditResult, Finding, Results
from audit.types import Settings
from reports.exports.markdown import NO_QUESTION, escaped, lead_markdown, lock_markdown, ordinary_spaces, questions_markdown
from reports.provenance import written_date
from reports.text import phrases, sentences
from reports.text.headline import choices_sentence
from reports.text.numbers import clean, count, exact_points, in_words
from reports.text.order import planned

TASK, ASKED_TASK, CLASSIFIER_TASK, UNKNOWN_TASK = "zero-shot-image-classification", "image-text-to-text", "image-classification", "other"
TEXT_TASK = "sentence-similarity"


def model_cards(results: Results) -> dict[str, str]:
    """Return cards by file name, one per model: ``model_card.md``, or numbered if several models were audited.

    In the format in which huggingface_hub writes a `ModelCard` with `EvalResult` (`model-index`), without importing it, which takes a
    tenth of a second. A card has no field for intervals: they are part of the metric's name and of the findings in the text.
    """
    models: dict[str, list[AuditResult]] = {}
    for audit in results.audits:
        models.setdefault(audit.model.sha256, []).append(audit)
    names = ["model_card.md"] if len(models) == 1 else [f"model_card-{i}.md" for i in range(1, len(models) + 1)]
    return {name: _card(results, audits) for name, audits in zip(names, models.values(), strict=True)}


def _card(results: Results, audits: Sequence[AuditResult]) -> str:
    name, metrics = _named(audits[0].model.name), [gap for audit in audits for gap in _gaps(audit)]
    data = {
        **({} if metrics else {"model_name": name}),
        **({} if phrases.answers_only(audits[0].model) else {"pipeline_tag": _task(audits[0])}),
        "tags": ["vlm-audit", "bias-evaluation"],
        **({"model-index": [{"name": name, "results": _by_data(metrics)}]} if metrics else {}),
    }
    written = yaml.safe_dump(data, allow_unicode=True, sort_keys=False).strip()
    return ordinary_spaces(f"---\n{written}\n---\n\n{_body(results, audits)}")


def _gaps(audit: AuditResult) -> Iterator[tuple[AuditResult, dict[str, Any]]]:
    """Yield the metric of each gap of a planned question, with its audit."""
    for finding in planned(audit.findings):
        if finding.gap:
            value = round(finding.gap.value, 6)
            yield audit, {"type": f"{finding.metric}_gap", "value": value, "name": _named(_metric_name(finding, audit))}


def _by_data(metrics: Sequence[tuple[AuditResult, dict[str, Any]]]) -> list[dict[str, Any]]:
    """Return one entry per task and dataset, by which the hub distinguishes results."""
    entries: dict[tuple[str, str], dict[str, Any]] = {}
    for audit, metric in metrics:
        task, data = _task(audit), _named(audit.data.name)
        new = {"task": {"type": task}, "dataset": {"name": _named(audit.data.source), "type": data}, "metrics": []}
        entries.setdefault((task, data), new)["metrics"].append(metric)
    return list(entries.values())


def _task(audit: AuditResult) -> str:
    if phrases.answers_only(audit.model):
        return UNKNOWN_TASK
    if audit.model.labels:
        return CLASSIFIER_TASK
    if audit.model.asked:
        return ASKED_TASK
    return TEXT_TASK if audit.model.preprocessing == "none" else TASK  # without preprocessing, it reads no image


def _metric_name(finding: Finding, audit: AuditResult) -> str:
    pair = phrases.leading_pair(finding)
    if pair is None:
        return sentences.title(finding, audit)
    named = f"{phrases.group(pair.higher)} minus {phrases.group(pair.lower)}"
    return f"{sentences.title(finding, audit)}: {named}, {phrases.gap_text(finding)}, {finding.verdict}"


def _named(text: str) -> str:
    """Return untrusted text as one line; the YAML writer quotes it if necessary."""
    return " ".join(clean(text).split()) or "unnamed"


def _body(results: Results, audits: Sequence[AuditResult]) -> str:
    parts = [f"# {escaped(audits[0].model.name)}", "## Bias, risks and limitations"]
    for audit in audits:
        parts += _section(results, audit)
    hashed = "the file of answers" if phrases.answers_only(audits[0].model) else "the weights"
    parts.append(
        f"Measured with {escaped(results.tool)} on {escaped(written_date(results.timing.created))}; sha256 of {hashed} "
        f"`{escaped(audits[0].model.sha256)}`. {phrases.intervals(results.settings.alpha)} "
        f"These numbers describe the {'images' if any(audit.data.listed for audit in audits) else 'texts'} tested, not any other use."
    )
    return "\n\n".join(parts) + "\n"


def _judged(audit: AuditResult, settings: Settings) -> str:
    if not audit.data.listed:
        return "."
    most = settings.ratio_tolerance
    ratio = "" if most is None else f"(for answers and errors rarer than 10 %, also by a factor below {most:g}) "
    return (
        f", {in_words(audit.data.used, 'image')} of {count(audit.data.listed)}. Groups under "
        f"{in_words(settings.min_group_size, 'image')} are not judged; groups whose tested rate is "
        f"shown to differ by less than {exact_points(settings.tolerance)} {ratio}are called equivalent, unless the probe says otherwise."
    )


def _section(results: Results, audit: AuditResult) -> list[str]:
    planned = any(finding.primary for finding in audit.findings)
    return [
        f"### {escaped(audit.probe.question)}",
        lead_markdown(audit, results.settings),
        *lock_markdown(audit, results),
        questions_markdown(audit, results.settings) if planned else NO_QUESTION,
        *([f"**Choices.** {escaped(chosen)}"] if (chosen := choices_sentence(audit, results)) else []),
        f"**Data.** {escaped(audit.data.source)} ({escaped(audit.data.licence)}){_judged(audit, results.settings)}",
        "**Limits.** " + " ".join(escaped(limit) for limit in audit.probe.limits),
        f"**Not tested.** {escaped('; '.join(audit.probe.not_tested))}.",
    ]
