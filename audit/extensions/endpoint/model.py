"""A model behind an endpoint as an `Answerer` (`log_likelihoods` of options, in one of the modes) and a `Writer`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from audit.encoder import Value
from audit.extensions.endpoint import modes
from audit.extensions.endpoint.account import with_endpoint
from audit.extensions.endpoint.answer_log import Answer, AnswerLog
from audit.extensions.endpoint.complaints import RefusedError
from audit.extensions.endpoint.image_payload import Picture
from audit.extensions.endpoint.modes import Body
from audit.extensions.endpoint.reply import READING
from audit.extensions.endpoint.sending import ChatRequest, Sender, key_of_request
from audit.extensions.endpoint.settings import EndpointSettings
from audit.extensions.endpoint.trial import Terms, choose_terms
from audit.extensions.endpoint.usage import EndpointAnswers, Usage
from audit.results import AuditResult
from audit.types import REFUSAL, UNPARSED, Manner, ModelRecord, Note, Question

if TYPE_CHECKING:
    from jaxtyping import Float
    from PIL import Image

VERSION = "endpoint/1"
"""Part of every key: to be increased if the same question would be sent differently."""
UNKNOWN_FACT = "not known: the server does not say"
WAVES = 4
"""How many times a batch of images fills the window of requests in flight; the next batch starts before its last answers arrive."""


class _Asked(NamedTuple):
    """A question about an image, and its requests."""

    picture: Picture
    question: Question
    requests: Sequence[ChatRequest]


class EndpointModel:
    """A model that is used over a network. Questions and answers are in its log, and are not sent again."""

    def __init__(self, name: str, settings: EndpointSettings, log: AnswerLog):
        self.name, self.settings = name, settings
        self._sender = Sender(settings, log)
        self._usage = Usage()

    @cached_property
    def terms(self) -> Terms:
        """The server's capabilities: determined at the first question, and stored in the log."""
        terms = choose_terms(self.settings.mode, self._try)
        self._sender.keep_refusals()
        return terms

    @property
    def record(self) -> ModelRecord:
        """The report's record of the model: facts that the server does not state are unknown."""
        taken = self._taken()
        known = [VERSION, READING, self.settings.base_url, self.name, self.terms.mode, taken]
        digest = hashlib.sha256(json.dumps(known, sort_keys=True).encode())
        return ModelRecord(
            name=self.name, kind=self.settings.chat_form, fingerprint=digest.hexdigest(), sha256="",
            parameters=0, dimensions=0, dtype="", score_rule="softmax", logit_scale=1.0, logit_bias=None, architecture=UNKNOWN_FACT,
            preprocessing="pixels as they were decoded, as PNG; further steps are the server's", tokenizer=UNKNOWN_FACT,
            asked=(Note(f"asked_by_{self.terms.mode}"), *self.terms.notes),
        )  # fmt: skip

    @property
    def place(self) -> dict[str, str]:
        """Location of the model."""
        return {"host": self.settings.host, "where": "this machine" if self.settings.is_local else "which is not this machine"}

    @property
    def manner(self) -> Manner:
        """How the model must be prompted."""
        outcomes = () if self.terms.mode == "likelihood" else (REFUSAL, UNPARSED)
        return Manner(self.terms.mode == "letter", outcomes, self.settings.repeats, instructions=True)

    def images_at_once(self, questions: int) -> int:
        """Number of images that, with `questions` questions each, fill the window."""
        return -(-WAVES * self.settings.in_flight // max(questions, 1))

    def log_likelihoods(self, images: Sequence[Image.Image], questions: Sequence[Question]) -> Float[np.ndarray, "n k"]:
        """The meaning of the number for an option or outcome depends on the mode; options of all questions are in adjacent columns."""
        return self.begin(images, questions)()

    def begin(self, images: Sequence[Image.Image], questions: Sequence[Question]) -> Callable[[], Float[np.ndarray, "n k"]]:
        """Send questions; returns a function that waits for their answers and returns the numbers of `log_likelihoods`."""
        mode, top = self.terms.mode, self.terms.top
        pairs = [(picture, question) for picture in map(Picture, images) for question in questions]
        bodies = [modes.requests(mode, question, top) for _, question in pairs]
        sent = [
            _Asked(
                picture,
                question,
                [self._request(self.terms, picture, question, body, f"{mode} {i}") for i, body in enumerate(question_bodies)],
            )
            for (picture, question), question_bodies in zip(pairs, bodies, strict=True)
        ]
        self._sender.send([request for entry in sent for request in entry.requests])
        return lambda: self._answered(sent).reshape(len(images), sum(question.width for question in questions))

    def _answered(self, sent: Sequence[_Asked]) -> Float[np.ndarray, "w"]:
        """Wait for answers, count them, and return their numbers, concatenated."""
        answers = iter(self._sender.answers([request for entry in sent for request in entry.requests]))
        rows: list[Float[np.ndarray, "w"]] = []
        for picture, question, requests in sent:
            replies = [next(answers) for _ in requests]
            reading = modes.read(self.terms.mode, question, replies)
            new = [self._usage.add(picture.key, request.key, answer) for request, answer in zip(requests, replies, strict=True)]
            if any(new):
                self._usage.came_of(question, replies[0], reading.outcome, reading.bounded)
            rows.append(reading.row)
        return np.array(np.concatenate(rows) if rows else [], np.float32)

    def write(self, images: Sequence[Image.Image], prompts: Sequence[str]) -> list[list[str]]:
        pictures, body = list(map(Picture, images)), {"tokens": self.settings.writing_tokens}
        requests = [self._request(self.terms, picture, Question(prompt, ()), body, "write") for picture in pictures for prompt in prompts]
        answers = self._sender.answers(requests)
        for request, answer, position in zip(requests, answers, range(len(requests)), strict=True):
            self._usage.add(pictures[position // len(prompts)].key, request.key, answer)
        texts = [answer.text for answer in answers]
        return [texts[start : start + len(prompts)] for start in range(0, len(texts), len(prompts))]

    def prepare(self) -> None:
        """Prepare for sending; raises UsageError if images would leave this machine without confirmation, or the key is missing."""
        self._sender.open()

    def close(self) -> None:
        """Send no more requests."""
        self._sender.close()

    def account(self) -> EndpointAnswers:
        """Requests and answers since the last call."""
        usage, self._usage = self._usage, Usage()
        return usage.account(self.name, self.settings, self.terms, self._taken())

    def with_account(self, result: AuditResult) -> AuditResult:
        """The result with requests and answers since the last call."""
        return with_endpoint(result, self.account())

    def _taken(self) -> dict[str, Value]:
        """The settings on which an answer depends."""
        terms, most = self.terms, self.settings.max_new_tokens
        return {
            "temperature": "0" if terms.temperature else "the server's own",
            "most tokens of an answer": most or "as the longest option asks for",
            "most tokens of a text": self.settings.writing_tokens,
            **({"likely tokens listed": terms.top} if terms.mode == "letter" else {}),
        }

    def _try(self, terms: Terms, picture: Picture, question: Question, body: Body) -> Answer | RefusedError:
        request = self._request(terms, picture, question, body, f"trial {json.dumps(body, sort_keys=True)}")
        reply = self._sender.tried(request)
        if isinstance(reply, Answer):
            self._usage.add_trial(reply)
        return reply

    def _request(self, terms: Terms, picture: Picture, question: Question, body: Body, use: str) -> ChatRequest:
        tokens = body["tokens"] if use.startswith("likelihood") else self.settings.max_new_tokens or body["tokens"]
        settings = json.dumps([terms.room, terms.temperature, terms.top, tokens])
        words = json.dumps([question.text, question.options, question.repeat], ensure_ascii=False)
        key = key_of_request(VERSION, self.settings.base_url, self.name, use, settings, picture.key, words)
        return ChatRequest(key, partial(self._body, terms, picture, question, {**body, "tokens": tokens}))

    def _body(self, terms: Terms, picture: Picture, question: Question, extra: Body) -> Body:
        fields = {name: value for name, value in extra.items() if name not in ("tokens", "said")}
        content = [{"type": "image_url", "image_url": {"url": picture.url}}, {"type": "text", "text": question.text}]
        messages: list[dict[str, Any]] = [{"role": "user", "content": content}]
        if "said" in extra:
            messages.append({"role": "assistant", "content": extra["said"]})
        drawn = {"temperature": 0} if terms.temperature else {}
        return {"model": self.name, "messages": messages, terms.room: extra["tokens"], **drawn, **fields}


@contextmanager
def opened(name: str, settings: EndpointSettings, cache: Path) -> Iterator[EndpointModel]:
    """Open a model with its answer log; nothing is sent yet, but errors that would prevent sending are raised.

    `cache` is the folder for the log unless the settings name one.
    """
    with AnswerLog(settings.log_of(name, cache)) as log:
        model = EndpointModel(name, settings, log)
        try:
            if not settings.replay and not len(log):
                model.prepare()
            yield model
        finally:
            model.close()
