"""Of a model behind an endpoint: what an audit would send, and what it sent, as facts."""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np
from scipy.stats import chi2_contingency

from audit.records.inputs import EndpointRecord, EndpointVersion, VersionChange
from audit.records.results import AuditResult
from audit.types import NO_ANSWER, Account, Answerer, Served, Version

ROWS = "questions of the rows"
"""What questions are called that belong to no measurement by their words."""


def with_endpoint(result: AuditResult, model: Answerer) -> AuditResult:
    """Return the result with what was sent and what came back, where the model is behind an endpoint."""
    if not isinstance(model, Served):
        return result
    account = model.account()
    found = endpoint_record(account, {each.asked: each.name for each in result.measurements if each.asked})
    # Who answered is part of what the model is: next month the same address may be another one.
    seen = json.dumps([result.model.fingerprint, found.first, found.last, [[each.model, each.fingerprint] for each in found.versions]])
    fingerprint = hashlib.sha256(seen.encode()).hexdigest()
    return replace(result, endpoint=found, model=replace(result.model, fingerprint=fingerprint, sha256=fingerprint))


def endpoint_record(account: Account, names: Mapping[str, str]) -> EndpointRecord:
    """Return an account as facts; `names` says which measurement a question belongs to, by its words."""
    versions = tuple(account.versions)
    came = {version: Counter[str]() for version in versions}
    answers: dict[str, dict[Version, Counter[str]]] = defaultdict(lambda: {version: Counter() for version in versions})
    for (version, question, answer), count in account.answered_as.items():
        came[version][answer if answer in NO_ANSWER else ""] += count
        answers[names.get(question.text, ROWS)][version][answer] += count
    return EndpointRecord(
        host=account.host, local=account.local, model=account.model, mode=account.mode, notes=account.notes,  # type: ignore[arg-type]
        settings=account.settings, images=account.images, answers=account.answers, sent=account.sent, answered=account.answered,
        cost=account.cost, currency=account.currency, label_scores=account.label_scores, bounded=account.bounded,
        first=account.dates[0], last=account.dates[1],
        versions=tuple(
            EndpointVersion(
                version.model, version.fingerprint, *account.versions[version], came[version].total(),
                {way: came[version][way] for way in NO_ANSWER if came[version][way]},
            )
            for version in versions
        ),
        changes=tuple(
            VersionChange(name, tuple(dict(sorted(each.items())) for each in by_version.values()), equal_shares(by_version.values()))
            for name, by_version in sorted(answers.items())
        ) if len(versions) > 1 else (),
    )  # fmt: skip


def equal_shares(lots: Iterable[Mapping[str, int]]) -> float | None:
    """Return the p of equal shares of answers in several lots (chi-square test); None where fewer than two lots or answers have a count.

    Examples
    --------
    >>> round(equal_shares([{"yes": 10, "no": 30}, {"yes": 30, "no": 10}]), 6)
    2.2e-05
    >>> equal_shares([{"yes": 10}, {"yes": 30}]) is None
    True
    """
    counted = [each for each in lots if sum(each.values())]
    answers = sorted({answer for each in counted for answer, count in each.items() if count})
    if len(counted) < 2 or len(answers) < 2:
        return None
    table = np.array([[each.get(answer, 0) for answer in answers] for each in counted])
    return float(chi2_contingency(table).pvalue)
