"""Hugging Face: an entry for ``.eval_results/NAME.yaml`` in a model's repository, for one benchmark and task of the hub.

An entry has one value and no groups, so it states one rate over all images; the notes say what was found by group.
"""

from __future__ import annotations

from dataclasses import dataclass

import yaml

from audit.errors import UsageError
from audit.results import AuditResult, Finding, Results
from reports.text.headline.differences import size_sentence, statement
from reports.text.numbers import clean
from reports.text.order import planned


@dataclass(frozen=True)
class Benchmark:
    """A data set of the hub that declares tasks, and one of these: only the user knows whether the audit's data are it."""

    dataset: str
    task: str


def eval_results(results: Results, benchmark: Benchmark, question: str | None = None) -> str:
    """Return the entry as YAML. `question` is the id of a finding; None: the only planned question's.

    Raises UsageError if there are several audits, if `question` names no finding or is left out where several questions are planned, or if
    its rate is not estimable.
    """
    if len(results.audits) != 1:
        raise UsageError("an entry is about one model and one probe", why=f"there are {len(results.audits)} audits", fix="audit one alone")
    (audit,) = results.audits
    finding = _chosen(audit, question)
    if finding.overall.value is None:
        raise UsageError(f"the rate of {finding.id!r} is not estimable", fix="choose another question with --question")
    entry = {
        "dataset": {"id": benchmark.dataset, "task_id": benchmark.task},
        "value": round(finding.overall.value, 6),
        "date": results.timing.created,
        "notes": clean(f"{finding.id}, all images, by {results.tool}. {_by_group(finding, audit, results)}"),
    }
    written: str = yaml.safe_dump([entry], allow_unicode=True, sort_keys=False)
    return written


def _chosen(audit: AuditResult, question: str | None) -> Finding:
    if question is None:
        candidates = planned(audit.findings)
        if len(candidates) != 1:
            ids = ", ".join(finding.id for finding in candidates[:5]) or "none"
            raise UsageError(f"the audit has {len(candidates)} planned questions", why=ids, fix="choose one with --question")
        return candidates[0]
    named = {finding.id: finding for finding in audit.findings}
    if question not in named:
        raise UsageError(f"no question {question!r}", why=f"the audit has {', '.join(list(named)[:5]) or 'none'}", fix="--question ID")
    return named[question]


def _by_group(finding: Finding, audit: AuditResult, results: Results) -> str:
    return f"By group: {finding.verdict}. {statement(finding, audit)}. {size_sentence(finding, results.settings)}".strip()
