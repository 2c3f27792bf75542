"""What an audit sent to an endpoint, and what came back, as facts of its result."""

from __future__ import annotations

import hashlib
import json
import logging
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import fields, replace

import numpy as np

from audit.extensions.endpoint import FIELD
from audit.extensions.endpoint.record import EndpointRecord, EndpointUsage, EndpointVersion, VersionChange
from audit.extensions.endpoint.usage import EndpointAnswers, Version
from audit.results import AuditResult
from audit.types import NO_ANSWER, SAME_ANSWER, Note

log = logging.getLogger("audit")
ROWS = "questions of the rows"
"""Name for questions whose text belongs to no measurement."""


def with_endpoint(result: AuditResult, answered: EndpointAnswers) -> AuditResult:
    """Add requests and responses to the result."""
    names = dict.fromkeys(result.texts, "")
    names |= {
        measurement.asked: measurement.name
        for measurement in result.measurements
        if measurement.asked and SAME_ANSWER not in measurement.labels
    }
    endpoint = endpoint_record(answered, names)
    # The version is part of the model's identity: next month the same address may serve another one.
    seen = json.dumps(
        [result.model.fingerprint, endpoint.first, endpoint.last, [[version.model, version.fingerprint] for version in endpoint.versions]]
    )
    fingerprint = hashlib.sha256(seen.encode()).hexdigest()
    code, images = ("embedded_there", {}) if endpoint.mode == "embeddings" else ("sent", {"images": endpoint.images})
    log.info("%s", Note(code, {"answers": endpoint.answers, **images, "host": endpoint.host}))
    accounts = {**result.accounts, FIELD: endpoint}
    return replace(result, accounts=accounts, model=replace(result.model, fingerprint=fingerprint, sha256=fingerprint))


def endpoint_record(answered: EndpointAnswers, names: Mapping[str, str]) -> EndpointRecord:
    """Count answers by version; `names` maps the text of a question to its measurement: "" if it has none of its own."""
    versions = tuple(answered.versions)
    came = {version: Counter[str]() for version in versions}
    answers: dict[str, dict[Version, Counter[str]]] = defaultdict(lambda: {version: Counter() for version in versions})
    for (version, question, answer), count in answered.answered_as.items():
        came[version][answer if answer in NO_ANSWER else ""] += count
        if (name := names.get(question.text, ROWS)) and question.repeat == 0:
            answers[name][version][answer] += count
    return EndpointRecord(
        **{usage.name: getattr(answered, usage.name) for usage in fields(EndpointUsage)},
        versions=tuple(
            EndpointVersion(
                version.model, version.fingerprint, *answered.versions[version], came[version].total(),
                {way: came[version][way] for way in NO_ANSWER if came[version][way]},
            )
            for version in versions
        ),
        changes=tuple(
            VersionChange(name, tuple(dict(sorted(counts.items())) for counts in by_version.values()), equal_shares(by_version.values()))
            for name, by_version in sorted(answers.items())
        ) if len(versions) > 1 else (),
    )  # fmt: skip


def equal_shares(lots: Iterable[Mapping[str, int]]) -> float | None:
    """The p of equal shares of answers in several batches (chi-square test); None if fewer than two batches or answers have a count.

    Examples
    --------
    >>> round(equal_shares([{"yes": 10, "no": 30}, {"yes": 30, "no": 10}]), 6)
    2.2e-05
    >>> equal_shares([{"yes": 10}, {"yes": 30}]) is None
    True
    """
    counted = [lot for lot in lots if sum(lot.values())]
    answers = sorted({answer for lot in counted for answer, count in lot.items() if count})
    if len(counted) < 2 or len(answers) < 2:
        return None
    from scipy.stats import chi2_contingency

    table = np.array([[lot.get(answer, 0) for answer in answers] for lot in counted])
    return float(chi2_contingency(table).pvalue)
