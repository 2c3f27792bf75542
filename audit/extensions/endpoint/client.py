"""Sends one request and returns its answer: waiting, retrying and giving up; and which parts of a reply are kept."""

from __future__ import annotations

import datetime as dt
import json
import logging
import os
import random
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from audit.errors import UsageError
from audit.extensions.endpoint.answer_log import Answer, is_count, is_log_probability
from audit.extensions.endpoint.budget import Budget, EndedError
from audit.extensions.endpoint.complaints import BusyError, EmptyError, FilteredError, cleaned, complaint, masked, said_in
from audit.extensions.endpoint.connections import Connections, StoppedError
from audit.extensions.endpoint.prices import IMAGE_TOKENS, text_tokens
from audit.extensions.endpoint.settings import EndpointSettings, say_the_way

log = logging.getLogger("audit")
TIMEOUT_S, LEAST_TRY_S = 120.0, 1.0
"""Timeout of one answer, within the remaining patience; each attempt has at least the second."""
FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 60.0
"""Pause between attempts, doubled each time and partly random, so that requests do not retry simultaneously. If a server asks for a
pause shorter than the first, the first is used."""
FIRST_PATIENCE_S = 10.0
"""Patience for an address that has never answered: it is wrong, or its server is not running."""
SKEW_S = 300
"""Clock difference from which a warning is logged."""
MOST_EMPTY = 3
"""After this many replies without an answer to one question, the last one counts as an answer without text."""
MOST_LETTERS, TOKEN_MOST = 4096, 16
"""Maximum number of characters of an answer to keep, or per token that it may have: a server may ignore the
length limit. A longer answer is cut in the middle: the option may come first, or last after the reasoning."""
MOST_TOKEN, MOST_LISTED = 256, 64
"""Maximum number of characters of a token, and of likely tokens, to keep."""
Body = Mapping[str, Any]


class Client:
    """Sends requests to one server. Thread-safe."""

    PATH = "/chat/completions"
    """Where a server takes these requests, below its address."""

    def __init__(self, settings: EndpointSettings, budget: Budget):
        self._settings, self._budget = settings, budget
        self._key = key_of(settings)
        self._connections = Connections(settings, self._key, self.PATH)
        say_the_way(settings)
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self._not_before = 0.0
        self._skewed = self._was_answered = False

    def ask(self, body: Body) -> Answer:
        """Send a request in OpenAI's chat format and return the answer.

        After `MOST_EMPTY` replies without an answer, the last counts as the answer, without text and with the fact "empty"; tokens are
        summed over all replies. Raises EndedError if a limit is reached, or the server cannot be reached, is busy for longer than the
        patience of the settings, or sends something other than an answer; an AuditError if the model cannot be used; RefusedError if the
        server rejects requests of this form.
        """
        began, tries = time.monotonic(), 0
        empty: list[Answer] = []
        while True:
            self._wait_until(self._not_before)
            try:
                return _with_tokens_of(empty, self._once(body, began + self._settings.patience_s - time.monotonic()))
            except BusyError as busy:
                if isinstance(busy, EmptyError):
                    empty.append(busy.empty)
                if len(empty) == MOST_EMPTY:
                    return _with_tokens_of(empty[:-1], replace(empty[-1], facts={"empty": busy.why}))
                self._wait_after(busy, began, tries)
                tries += 1

    def _wait_after(self, busy: BusyError, began: float, tries: int) -> None:
        """Wait before the next attempt; raises EndedError if the patience of the settings is exhausted."""
        wait = _pause(tries) if busy.wait_s is None else max(busy.wait_s, FIRST_WAIT_S) * random.uniform(1, 1.1)  # noqa: S311
        patience = self._settings.patience_s
        if not (self._was_answered or busy.by_server):
            patience = min(patience, FIRST_PATIENCE_S)
        if time.monotonic() + wait - began > patience:
            raise self._out_of_patience(busy, tries) from None
        log.debug("trying again in %.1f s: %s", wait, busy.why)
        if busy.wait_s is not None:  # the server's pause applies to all requests
            with self._lock:
                self._not_before = max(self._not_before, time.monotonic() + wait)
        self._wait_until(time.monotonic() + wait)

    def stop(self) -> None:
        """Send no more requests, and cancel all waiting."""
        self._stopped.set()

    def close(self) -> None:
        """Close every connection."""
        self.stop()
        self._connections.close()

    def _wait_until(self, moment: float) -> None:
        rest = moment - time.monotonic()
        if self._stopped.wait(rest) if rest > 0 else self._stopped.is_set():
            raise StoppedError

    def _once(self, body: Body, patience_s: float) -> Answer:
        ticket, cost = self._budget.reserve(self._expected(body)), 0.0
        try:
            reply = self._connections.post(json.dumps(body).encode(), min(TIMEOUT_S, max(patience_s, LEAST_TRY_S)))
            if not 200 <= reply.status < 300:
                error = complaint(reply.status, reply.headers, reply.content, self._key)
                if isinstance(error, FilteredError):
                    return Answer(str(error), refused=True, date=now())
                raise error
            answer = self._read(reply.content, body)
            self._was_answered = True
            self._notice_skew(reply.headers)
            cost = self._cost(answer, body)
            return answer
        except EmptyError as paid:
            prices = self._settings.prices
            cost = prices.cost(paid.empty.sent, paid.empty.answered) if prices else 0.0
            raise
        finally:
            self._budget.settle(ticket, cost)

    def _read(self, content: bytes, body: Body) -> Answer:
        """Parse the answer in a body; raises `EmptyError` if it has none, `BusyError` for something else, such as the page of a proxy."""
        paid = Answer()
        try:
            reply: Any = json.loads(content)
            paid = self._named(reply)
            choice = reply["choices"][0]
            message = choice["message"]
            text, refusal = message.get("content"), message.get("refusal")
            written = masked((text if isinstance(text, str) else "") or (refusal if isinstance(refusal, str) else ""), self._key)
            most = max(MOST_LETTERS, TOKEN_MOST * _room_of(body))
            return replace(
                paid,
                text=written if len(written) <= most else f"{written[: most // 2]}…{written[-most // 2 :]}",
                refused=bool(refusal) or choice.get("finish_reason") == "content_filter",
                top=self._without_key(_first_tokens(choice.get("logprobs"))),
                prompt=self._without_key(_end_of_prompt(reply.get("prompt_logprobs"))),
                cut=choice.get("finish_reason") == "length" or len(written) > most,
            )
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
            why = f"not an answer: {said_in(content, self._key) or 'nothing'}"
            if paid.sent or paid.answered or (paid.date and reply.get("choices") == []):
                raise EmptyError(why, paid) from None
            raise BusyError(why) from None

    def _named(self, reply: Mapping[str, Any]) -> Answer:
        """The metadata of a reply without its text: tokens, and the server's name for the model."""
        usage = reply.get("usage")
        return Answer(
            model=cleaned(str(reply.get("model") or ""), self._key),
            version=cleaned(str(reply.get("system_fingerprint") or ""), self._key),
            date=now(),
            sent=_number(usage, "prompt_tokens"),
            answered=_number(usage, "completion_tokens"),
        )

    def _without_key(self, tokens: tuple[tuple[str, float], ...]) -> tuple[tuple[str, float], ...]:
        whole = "".join(token for token, _ in tokens)
        if (safe := masked(whole, self._key)) != whole:
            tokens = tuple((masked(token, self._key), value) for token, value in tokens)
            if "".join(token for token, _ in tokens) != safe:
                return ()  # the key is split over several tokens
        return tuple((token[:MOST_TOKEN], value) for token, value in tokens)

    def _out_of_patience(self, busy: BusyError, tries: int) -> EndedError:
        what = f"no answer from {self._settings.host} after {tries + 1} tries"
        fix = "the same command resumes where this one stopped, once the server answers"
        return EndedError(what, fix, where="--base-url", why=busy.why)

    def _notice_skew(self, headers: Mapping[str, str]) -> None:
        from email.utils import parsedate_to_datetime

        if self._skewed or "date" not in headers:
            return
        try:
            apart = (parsedate_to_datetime(headers["date"]) - dt.datetime.now(dt.UTC)).total_seconds()
        except (ValueError, TypeError, OverflowError):
            return
        if abs(apart) > SKEW_S:
            self._skewed = True
            log.warning("the clock of the server is %.0f min from this machine's: answers are dated by this machine's", apart / 60)

    def _expected(self, body: Body) -> float:
        prices = self._settings.prices
        if prices is None:
            return 0.0
        return prices.cost(self._tokens_of(body), _room_of(body))

    def _cost(self, answer: Answer, body: Body) -> float:
        prices = self._settings.prices
        if prices is None:
            return 0.0
        return prices.cost(answer.sent or self._tokens_of(body), answer.answered or text_tokens(answer.text) if _room_of(body) else 0)

    def _tokens_of(self, body: Body) -> int:
        """Approximate number of tokens in a request."""
        prices = self._settings.prices
        return _tokens(body, prices.image_tokens if prices else IMAGE_TOKENS)


def key_of(settings: EndpointSettings) -> str:
    """The API key, only from the environment; raises UsageError if it is missing for a remote host, or cannot be sent."""
    key = os.environ.get(settings.key_variable, "").strip()
    if not (key.isascii() and key.isprintable()):
        why = "it contains a character that no key has, such as a typographic dash, a quotation mark or a line break"
        raise UsageError("the key cannot be sent", where=settings.key_variable, why=why, fix="copy the key into this variable again")
    if key:
        return key
    if not settings.is_local:
        fix = (
            f"export {settings.key_variable}=…, name another variable with --api-key-from, or set it to none where the server needs no key"
        )
        raise UsageError(f"no key for {settings.host}", where=settings.key_variable, why="the variable is not set", fix=fix)
    return "none"


def now() -> str:
    """The current time, UTC, to the second."""
    return dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _pause(tries: int) -> float:
    """Duration of the pause before the next attempt."""
    longest: float = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2 ** min(tries, 16))
    return random.uniform(longest / 2, longest)  # noqa: S311 - no result depends on it


def _tokens(body: Body, image_tokens: int) -> int:
    """Approximate number of tokens in a request."""
    contents = [message["content"] for message in body["messages"]]
    parts = [part for content in contents for part in ([{"text": content}] if isinstance(content, str) else content)]
    return sum(text_tokens(part["text"]) if "text" in part else image_tokens for part in parts)


def _with_tokens_of(empty: Sequence[Answer], answer: Answer) -> Answer:
    """Add the tokens of earlier empty replies, which were paid for as well."""
    if not empty:
        return answer
    return replace(
        answer, sent=answer.sent + sum(reply.sent for reply in empty), answered=answer.answered + sum(reply.answered for reply in empty)
    )


def _number(usage: Any, name: str) -> int:
    """Number of tokens according to the server; 0 if it sends no plausible number."""
    count = usage.get(name) if isinstance(usage, dict) else None
    return int(count) if is_count(count) else 0  # type: ignore[arg-type]


def _room_of(body: Body) -> int:
    """Maximum number of tokens in the answer to a request."""
    return int(body.get("max_tokens") or body.get("max_completion_tokens") or 0)


def _first_tokens(logprobs: Any) -> tuple[tuple[str, float], ...]:
    """The most likely tokens at the first position of an answer."""
    content = logprobs.get("content") if isinstance(logprobs, dict) else None
    if not content:
        return ()
    listed = [(str(candidate["token"]), candidate["logprob"]) for candidate in (content[0].get("top_logprobs") or ())[:MOST_LISTED]]
    return tuple((token, float(value)) for token, value in listed if is_log_probability(value))


MOST_PROMPT_TOKENS = 64
"""Number of tokens to keep at the end of a prompt: no option is longer."""


def _end_of_prompt(positions: Any) -> tuple[tuple[str, float], ...]:
    """The last tokens of the prompt with their log-probabilities, if the server sends them by position."""
    if not isinstance(positions, list):
        return ()
    tokens: list[tuple[str, float]] = []
    for position in reversed(positions[-MOST_PROMPT_TOKENS:]):
        if not isinstance(position, dict) or len(position) != 1:
            break
        token = next(iter(position.values()))
        if token.get("decoded_token") is None or not is_log_probability(token.get("logprob")):
            break
        tokens.append((str(token["decoded_token"]), float(token["logprob"])))
    return tuple(reversed(tokens))
