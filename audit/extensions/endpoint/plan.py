"""What an audit would ask of an endpoint: known from its options, before anything is sent (`audit.engine.served.ServedPlan`)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audit.engine.forecast import ModelForecast
from audit.engine.plan import ProbePlan
from audit.errors import UsageError
from audit.extensions.endpoint import CHAT, TEXTS
from audit.extensions.endpoint.prices import read_prices
from audit.extensions.endpoint.settings import AUTO, EndpointSettings
from audit.types import REFUSAL, UNPARSED, Manner, Question

if TYPE_CHECKING:
    from audit.extensions.endpoint.embeddings import EndpointTextEncoder
    from audit.extensions.endpoint.model import EndpointModel

_FIELDS = {"api_key_from": "key_variable", "answer_mode": "mode", "patience": "patience_s", "answer_log": "log"}
"""Option -> the setting that it is, where the names differ."""


def plan_chat(where: str, given: Mapping[str, Any]) -> ChatPlan:
    """Plan a model that is asked about images; raises UsageError or DataError if an option is missing or invalid."""
    return ChatPlan(*_planned(CHAT, where, given))


def plan_texts(where: str, given: Mapping[str, Any]) -> TextsPlan:
    """Plan a model that embeds texts, like `plan_chat`."""
    return TextsPlan(*_planned(TEXTS, where, given))


def _planned(scheme: str, where: str, given: Mapping[str, Any]) -> tuple[str, EndpointSettings]:
    """The server's name of the model, and the settings."""
    spec = f"{scheme}:{where}"
    if "base_url" not in given:
        fix = f"--model {spec} --base-url http://localhost:8000/v1"
        raise UsageError("--base-url is missing", why="a model behind an endpoint has an address", fix=fix)
    if not (name := where.strip()):
        raise UsageError(f"unknown model spec: {spec!r}", fix="--model api:NAME, by the name that the server knows")
    prices = {"prices": read_prices(given["prices"], name)} if "prices" in given else {}
    return name, EndpointSettings(**{_FIELDS.get(option, option): value for option, value in given.items()} | prices)


@dataclass(frozen=True)
class ChatPlan:
    """A model that is asked about images."""

    name: str
    settings: EndpointSettings

    @property
    def form(self) -> str:
        return self.settings.chat_form

    @property
    def manner(self) -> Manner:
        outcomes = () if self._mode == "likelihood" else (REFUSAL, UNPARSED)
        return Manner(self._mode == "letter", outcomes, self.settings.repeats, instructions=True)

    @property
    def _mode(self) -> str:
        """The mode that a plan assumes: only a request can tell what a server supports."""
        return self.settings.mode if self.settings.mode != AUTO else "text"

    def forecast(self, plans: Sequence[ProbePlan], cache: Path) -> ModelForecast:
        """Tokens of text are estimated from its characters, those of images from the price table."""
        from audit.extensions.endpoint.answer_log import answers_in
        from audit.extensions.endpoint.modes import requests as requests_of
        from audit.extensions.endpoint.prices import IMAGE_TOKENS, text_tokens
        from audit.extensions.endpoint.upload import Upload

        settings = self.settings
        images = sent = answered = requests = 0
        for plan in plans:
            images += len(plan.dataset.images)
            for question, times in _questions(plan, self.manner):
                bodies = requests_of(self._mode, question) if question.options else [{"tokens": settings.writing_tokens}]
                requests += times * len(bodies)
                tokens = text_tokens(question.text) + (settings.prices.image_tokens if settings.prices else IMAGE_TOKENS)
                sent += times * len(bodies) * tokens
                answered += times * sum(settings.max_new_tokens or body["tokens"] for body in bodies)
        upload = Upload(settings, requests, answers_in(settings.log_of(self.name, cache)), sent, answered, self._mode, images)
        return ModelForecast(self.name, f"endpoint at {settings.host}", 0, (), None, upload.lines)

    def opened(self, cache: Path) -> AbstractContextManager[EndpointModel]:
        from audit.extensions.endpoint import model

        return model.opened(self.name, self.settings, cache)


@dataclass(frozen=True)
class TextsPlan:
    """A model that embeds texts."""

    name: str
    settings: EndpointSettings

    manner = None

    @property
    def form(self) -> str:
        return self.settings.texts_form

    def forecast(self, plans: Sequence[ProbePlan], cache: Path) -> ModelForecast:
        from audit.engine.texts import given_texts
        from audit.extensions.endpoint.answer_log import answers_in
        from audit.extensions.endpoint.embeddings import requests_for
        from audit.extensions.endpoint.prices import text_tokens
        from audit.extensions.endpoint.upload import Upload

        texts = {text for plan in plans for text in given_texts(plan.probe).texts}
        kept, sent = answers_in(self.settings.log_of(self.name, cache)), sum(map(text_tokens, texts))
        upload = Upload(self.settings, requests_for(len(texts)) + 1, kept, sent, texts=len(texts))
        return ModelForecast(self.name, self.form, 0, (), None, upload.lines)

    def opened(self, cache: Path) -> AbstractContextManager[EndpointTextEncoder]:
        from audit.extensions.endpoint import embeddings

        return embeddings.opened(self.name, self.settings, cache)


def _questions(plan: ProbePlan, manner: Manner) -> Iterator[tuple[Question, int]]:
    """Yield every question of a probe, and its number of images."""
    from audit.analyses import kinds
    from audit.engine.texts import given_texts
    from audit.measure.asked.interview import askings
    from audit.measure.asked.questionnaire import questionnaire

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
