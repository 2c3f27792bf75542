"""A model behind an endpoint that embeds texts (OpenAI's ``/v1/embeddings``). Its vectors are kept in the answer log.

Only the texts of a probe are sent, never an image. Retries, patience, limits, prices and the log are those of other endpoints.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.errors import DataError
from audit.extensions.endpoint.account import with_endpoint
from audit.extensions.endpoint.answer_log import Answer, AnswerLog
from audit.extensions.endpoint.budget import Budget, EndedError
from audit.extensions.endpoint.client import Client
from audit.extensions.endpoint.complaints import BusyError, RefusedError, said_in
from audit.extensions.endpoint.prices import text_tokens
from audit.extensions.endpoint.sending import key_of_request, require_answers
from audit.extensions.endpoint.settings import EndpointSettings
from audit.extensions.endpoint.trial import Terms
from audit.extensions.endpoint.usage import EndpointAnswers, Usage
from audit.results import AuditResult
from audit.types import ModelRecord, Question

if TYPE_CHECKING:
    from jaxtyping import Float

VERSION = "embeddings/1"
"""Part of every key: to be increased if the same text would be sent differently."""
TEXTS_AT_ONCE = 32
"""Texts per request: 32 vectors of 4,096 numbers take less than the most bytes of a reply."""
MOST_DIMENSIONS = 2**16
TRIED = "a photo of a cook"
"""The text whose vector says how many dimensions the model has."""
UNKNOWN_FACT = "not known: the server does not say"


class EmbeddingClient(Client):
    """Sends texts; an answer holds the vectors of all of them, as JSON in ``text``."""

    PATH = "/embeddings"

    def _read(self, content: bytes, body: Mapping[str, Any]) -> Answer:
        """Parse a reply with one vector per text; raises `BusyError` for something else, such as the page of a proxy."""
        texts = body["input"]
        try:
            reply: Any = json.loads(content)
            listed = sorted(reply["data"], key=lambda entry: int(entry["index"]))
            places = [int(entry["index"]) for entry in listed]
            vectors = [np.asarray(entry["embedding"], dtype=np.float32) for entry in listed]
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
            raise BusyError(f"not embeddings: {said_in(content, self._key) or 'nothing'}") from None
        if places != list(range(len(texts))):
            raise RefusedError(f"{len(places)} vectors came for {len(texts)} texts")
        return replace(self._named(reply), text=json.dumps([_encoded(vector) for vector in vectors]))

    def _tokens_of(self, body: Mapping[str, Any]) -> int:
        return sum(map(text_tokens, body["input"]))


def _encoded(vector: np.ndarray) -> str:
    """A vector as text; raises RefusedError if it is not one, or has no direction."""
    if vector.ndim != 1 or not 0 < vector.size <= MOST_DIMENSIONS:
        raise RefusedError(f"a vector has the shape {vector.shape}")
    if not np.isfinite(vector).all() or not math.isfinite(float(np.linalg.norm(vector))) or not vector.any():
        raise RefusedError("a vector holds numbers that are not finite, or only zeros")
    return base64.b64encode(vector.astype("<f4").tobytes()).decode()


class EndpointTextEncoder:
    """An encoder of text alone that is used over a network."""

    def __init__(self, name: str, settings: EndpointSettings, log: AnswerLog):
        self.name, self.settings = name, settings
        self._log, self._usage = log, Usage()
        self._budget = Budget(settings.max_requests, settings.max_cost, settings.prices, lambda: log.held)
        self._client: EmbeddingClient | None = None

    @cached_property
    def record(self) -> ModelRecord:
        """The report's record; the vector of one text says how many dimensions there are."""
        (tried,) = self._answers([TRIED])
        self._usage.add_trial(tried)
        dimensions = len(_decoded(tried, self._log.path))
        known = [VERSION, self.settings.base_url, self.name, dimensions]
        return ModelRecord(
            name=self.name, kind=self.settings.texts_form,
            fingerprint=hashlib.sha256(json.dumps(known).encode()).hexdigest(), sha256="", parameters=0, dimensions=dimensions, dtype="",
            score_rule="softmax", logit_scale=1.0, logit_bias=None, architecture=UNKNOWN_FACT, preprocessing="none", tokenizer=UNKNOWN_FACT,
        )  # fmt: skip

    def encode_texts(self, texts: Sequence[str]) -> Float[np.ndarray, "k d"]:
        """Raises DataError if the server rejects a text or its vectors differ in length, MachineError if a limit or the patience ends."""
        dimensions, answers = self.record.dimensions, self._answers(texts)
        rows = [_decoded(answer, self._log.path) for answer in answers]
        for text, answer in zip(texts, answers, strict=True):
            if self._usage.add("", self._key(text), answer):
                self._usage.came_of(Question(text, ()), answer, "")
        if lengths := sorted({len(row) for row in rows} - {dimensions}):
            why = f"{lengths[0]} numbers, and {dimensions} for another text"
            raise DataError(f"{self.name} returns vectors of different lengths", where="--model", why=why, fix="name another model")
        return np.stack(rows) if rows else np.empty((0, dimensions), np.float32)

    def account(self) -> EndpointAnswers:
        """Requests and answers since the last call."""
        usage, self._usage = self._usage, Usage()
        return usage.account(self.name, self.settings, Terms(mode="embeddings"), {"texts per request": TEXTS_AT_ONCE})

    def with_account(self, result: AuditResult) -> AuditResult:
        """The result with requests and answers since the last call."""
        return with_endpoint(result, self.account())

    def close(self) -> None:
        """Send no more requests."""
        if self._client is not None:
            self._client.close()

    def _key(self, text: str) -> str:
        return key_of_request(VERSION, self.settings.base_url, self.name, text)

    def _answers(self, texts: Sequence[str]) -> list[Answer]:
        """One answer per text, with its vector; each is in the log before it is used."""
        missing = [text for text in dict.fromkeys(texts) if self._log.get(self._key(text)) is None]
        require_answers(self.settings, self._log, len(missing))
        for start in range(0, len(missing), TEXTS_AT_ONCE):
            part = missing[start : start + TEXTS_AT_ONCE]
            for text, answer in zip(part, self._ask(part), strict=True):
                self._log.add(self._key(text), answer)
        logged = [self._log.get(self._key(text)) for text in texts]
        return [answer for answer in logged if answer is not None]

    def _ask(self, texts: Sequence[str]) -> Iterator[Answer]:
        """Yield an answer for each text, sent in one request; its tokens count with the first."""
        if self._client is None:
            self._client = EmbeddingClient(self.settings, self._budget)
        try:
            answer = self._client.ask({"model": self.name, "input": list(texts), "encoding_format": "float"})
        except RefusedError as error:
            what, fix = "the server does not embed these texts", "a server with /v1/embeddings, and the name of a model for it"
            raise DataError(what, where="--model", why=error.why, fix=fix) from None
        except EndedError as ended:
            raise self._budget.error(ended) from None
        for position, vector in enumerate(json.loads(answer.text)):
            yield replace(answer, text=vector, sent=0 if position else answer.sent, answered=0)


def _decoded(answer: Answer, path: Path) -> Float[np.ndarray, "d"]:
    try:
        row: np.ndarray = np.frombuffer(base64.b64decode(answer.text, validate=True), "<f4").astype(np.float32)
        if not row.size or not np.isfinite(row).all():
            raise ValueError("no numbers")
    except ValueError as error:
        fix = "name another --answer-log, or delete this one"
        raise DataError(
            "the answer log has something else than vectors for this model", where=path.name, why=str(error), fix=fix
        ) from error
    return row


def requests_for(texts: int) -> int:
    """Number of requests for so many texts."""
    return -(-texts // TEXTS_AT_ONCE)


@contextmanager
def opened(name: str, settings: EndpointSettings, cache: Path) -> Iterator[EndpointTextEncoder]:
    """Open a model with its answer log, in the folder `cache` if the settings name none; texts are sent when their vectors are needed."""
    with AnswerLog(settings.log_of(name, cache)) as log:
        encoder = EndpointTextEncoder(name, settings, log)
        try:
            yield encoder
        finally:
            encoder.close()
