"""For a model behind an endpoint: what an audit would send, and what it sent, as facts."""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, replace

import numpy as np

from audit.analyses import kinds
from audit.engine.forecast import UploadForecast
from audit.engine.plan import ProbePlan
from audit.engine.texts import given_texts
from audit.measure.asked.questionnaire import questionnaire
from audit.measure.asked.row_interview import askings
from audit.models.endpoint.embeddings import requests_for
from audit.models.endpoint.modes import requests as endpoint_requests
from audit.models.endpoint.prices import IMAGE_TOKENS, text_tokens
from audit.models.endpoint.settings import AUTO, EndpointSettings
from audit.records.inputs import EndpointRecord, EndpointVersion, VersionChange
from audit.results import AuditResult
from audit.types import (
    NO_ANSWER,
    REFUSAL,
    SAME_ANSWER,
    UNPARSED,
    Answerer,
    EndpointAnswers,
    EndpointUsage,
    Manner,
    Question,
    Served,
    ServedTexts,
    TextEncoder,
    Version,
)

ROWS = "questions of the rows"
"""Name for questions whose text belongs to no measurement."""


def with_endpoint(result: AuditResult, model: Answerer | TextEncoder) -> AuditResult:
    """Add requests and responses to the result, if the model is behind an endpoint."""
    if not isinstance(model, Served | ServedTexts):
        return result
    names = dict.fromkeys(result.texts, "")
    names |= {
        measurement.asked: measurement.name
        for measurement in result.measurements
        if measurement.asked and SAME_ANSWER not in measurement.labels
    }
    endpoint = endpoint_record(model.account(), names)
    # The version is part of the model's identity: next month the same address may serve another one.
    seen = json.dumps(
        [result.model.fingerprint, endpoint.first, endpoint.last, [[version.model, version.fingerprint] for version in endpoint.versions]]
    )
    fingerprint = hashlib.sha256(seen.encode()).hexdigest()
    return replace(result, endpoint=endpoint, model=replace(result.model, fingerprint=fingerprint, sha256=fingerprint))


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


def _expected_mode(settings: EndpointSettings) -> str:
    """The mode that a plan assumes: only a request can tell what a server supports."""
    return settings.mode if settings.mode != AUTO else "text"


def expected_manner(settings: EndpointSettings) -> Manner:
    """How a plan assumes that a model behind an endpoint must be prompted."""
    mode = _expected_mode(settings)
    return Manner(mode == "letter", () if mode == "likelihood" else (REFUSAL, UNPARSED), settings.repeats, instructions=True)


def forecast_upload(settings: EndpointSettings, plans: Sequence[ProbePlan], kept: int) -> UploadForecast:
    """What these probes would send, at most; tokens of text are estimated from its characters, those of images from the price table."""
    mode, manner = _expected_mode(settings), expected_manner(settings)
    images = sent = answered = requests = 0
    for plan in plans:
        images += len(plan.dataset.images)
        for question, times in _questions(plan, manner):
            bodies = endpoint_requests(mode, question) if question.options else [{"tokens": settings.writing_tokens}]
            requests += times * len(bodies)
            sent += times * len(bodies) * (text_tokens(question.text) + (settings.prices.image_tokens if settings.prices else IMAGE_TOKENS))
            answered += times * sum(settings.max_new_tokens or body["tokens"] for body in bodies)
    money = settings.prices.cost(sent, answered) if settings.prices else None
    currency = settings.prices.currency if settings.prices else ""
    return UploadForecast(
        settings.host, settings.is_local, settings.confirm_upload, mode, images, requests, kept, sent, answered, money, currency
    )


def forecast_texts(settings: EndpointSettings, plans: Sequence[ProbePlan], kept: int) -> UploadForecast:
    """What these probes would send to an endpoint that embeds texts, at most."""
    texts = sorted({text for plan in plans for text in given_texts(plan.probe).texts})
    sent = sum(map(text_tokens, texts))
    money = settings.prices.cost(sent, 0) if settings.prices else None
    currency = settings.prices.currency if settings.prices else ""
    return UploadForecast(
        settings.host, settings.is_local, settings.confirm_upload, "embeddings", 0, requests_for(len(texts)) + 1, kept, sent, 0, money,
        currency, len(texts),
    )  # fmt: skip


def _questions(plan: ProbePlan, manner: Manner) -> Iterator[tuple[Question, int]]:
    """Yield every question of a probe, and its number of images."""
    probe, dataset, seed = plan.probe, plan.dataset, plan.settings.seed
    prepared = questionnaire(probe, seed, manner)
    yield from ((question, len(dataset.images)) for question in prepared.questions)
    for measurement in prepared.probe.measurements:
        if measurement.options is not None and measurement.name not in prepared.compared and dataset.texts is not None:
            for asking in askings(measurement, dataset.texts, seed, manner):
                yield from Counter(question for question in asking if question).items()
    plans, _ = kinds.split(probe.analyses, "generative")
    prompts = given_texts(replace(probe, measurements=(), specifications=(), analyses=plans)).texts if plans else ()
    yield from ((Question(prompt, ()), len(dataset.images)) for prompt in prompts)
