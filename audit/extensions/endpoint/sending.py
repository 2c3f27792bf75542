"""Returns the answers to requests, in order: from the log if it has them, else from the server, with many requests in flight."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from typing import NamedTuple

from audit.errors import DataError, UsageError
from audit.extensions.endpoint.answer_log import Answer, AnswerLog
from audit.extensions.endpoint.budget import Budget, EndedError
from audit.extensions.endpoint.client import Client
from audit.extensions.endpoint.complaints import RefusedError, final
from audit.extensions.endpoint.connections import StoppedError
from audit.extensions.endpoint.modes import Body
from audit.extensions.endpoint.settings import EndpointSettings

LAST_S = 5.0
"""How long an interrupted run waits for pending answers."""


class ChatRequest(NamedTuple):
    """One request."""

    key: str
    """Key of its answer in the log."""
    body: Callable[[], Body]
    """Built when it is sent: an image need not be encoded if the log has the answer."""


class Sender:
    """Sends the questions to a server that its log cannot answer."""

    def __init__(self, settings: EndpointSettings, log: AnswerLog):
        self._settings, self._log = settings, log
        self._budget = Budget(settings.max_requests, settings.max_cost, settings.prices, lambda: log.held)
        self._client: Client | None = None
        self._pool: ThreadPoolExecutor | None = None
        self._refused: dict[str, Answer] = {}
        """Key -> a request of the probing phase that the server rejected, until the mode is known."""
        self._under_way: dict[str, Future[None]] = {}
        """Key -> a request whose result has not been fetched; only changed by the thread that sends and waits."""

    def send(self, requests: Sequence[ChatRequest]) -> None:
        """Send requests that are neither in the log nor pending, without waiting; raises like `answers`, except for server errors."""
        missing = {
            request.key: request for request in requests if request.key not in self._under_way and self._log.get(request.key) is None
        }
        if not missing:
            return
        self._check(list(missing.values()))
        client = self._opened()
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self._settings.in_flight, thread_name_prefix="ask")
        self._under_way |= {key: self._pool.submit(self._ask, client, request) for key, request in missing.items()}

    def answers(self, requests: Sequence[ChatRequest]) -> list[Answer]:
        """The answer to each request; each is in the log before it is used.

        Raises UsageError if images would leave this machine without confirmation; otherwise raises like `Client.ask`, and DataError if all
        answers must be in the log, or if the server rejects a request.
        """
        self.send(requests)
        self._wait_for({request.key for request in requests} & self._under_way.keys())
        logged = [self._log.get(request.key) for request in requests]
        return [answer for answer in logged if answer is not None]

    def tried(self, request: ChatRequest) -> Answer | RefusedError:
        """The answer to a request that the server may reject; an answer is stored now, a rejection by `keep_refusals`."""
        answer = self._log.get(request.key)
        if answer is None:
            self._check([request])
            try:
                answer = self._opened().ask(request.body())
                if "empty" in answer.facts:
                    raise RefusedError(answer.facts["empty"])
                self._log.add(request.key, answer)
            except RefusedError as error:
                answer = self._refused[request.key] = Answer(facts={"refused": error.why})
            except EndedError as ended:
                raise self._budget.error(ended) from None
        return RefusedError(answer.facts["refused"]) if answer.is_none else answer

    def keep_refusals(self) -> None:
        """Store rejected requests once the mode is known: a rerun uses the same mode without paying again.

        If the probing phase ends with an error nothing is stored: the next run tries again.
        """
        for key, answer in self._refused.items():
            self._log.add(key, answer)
        self._refused.clear()

    def close(self) -> None:
        """Send no more requests."""
        if self._client is not None:
            self._stop(self._client, LAST_S)
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def check_upload(self) -> None:
        """Raise `UsageError` if images would leave this machine without confirmation."""
        if not (self._settings.is_local or self._settings.confirm_upload):
            fix = "--check says how many and what it costs; --confirm-upload, if they may"
            raise UsageError(f"images would be sent to {self._settings.host}", where="--base-url", why="it is not this machine", fix=fix)

    def open(self) -> None:
        """Prepare for sending: raises errors that would prevent it."""
        self.check_upload()
        self._opened()

    def _check(self, missing: Sequence[ChatRequest]) -> None:
        require_answers(self._settings, self._log, len(missing))
        self.check_upload()

    def _opened(self) -> Client:
        if self._client is None:
            self._client = Client(self._settings, self._budget)
        return self._client

    def _wait_for(self, keys: Collection[str]) -> None:
        """Wait for requests; if one of them fails, nothing more is sent, and its error is raised after the others have finished."""
        if not keys:
            return
        futures, client = [self._under_way[key] for key in keys], self._opened()
        try:
            wait(futures, return_when=FIRST_EXCEPTION)
        except BaseException:  # including Ctrl-C
            self._stop(client, LAST_S)
            raise
        if any(future.cancelled() or future.exception() for future in futures if future.done()):
            self._stop(client)
            everything = self._under_way.values()
            errors = [error for future in everything if not future.cancelled() and (error := future.exception())]
            first = next((error for error in errors if not isinstance(error, StoppedError)), errors[0])
            if isinstance(first, EndedError):
                raise self._budget.error(first) from None
            raise first
        for key in keys:
            del self._under_way[key]

    def _ask(self, client: Client, request: ChatRequest) -> None:
        try:
            answer = client.ask(request.body())
        except RefusedError as error:
            raise final(error) from None
        self._log.add(request.key, answer)

    def _stop(self, client: Client, timeout: float | None = None) -> None:
        """Send no more requests, after pending answers have arrived."""
        client.stop()
        for future in self._under_way.values():
            future.cancel()
        wait(self._under_way.values(), timeout=timeout)
        client.close()


def require_answers(settings: EndpointSettings, log: AnswerLog, missing: int) -> None:
    """Raise DataError if nothing may be sent and answers are missing from the log."""
    if settings.replay and missing:
        what = f"the answer log lacks at least {missing:,} of the answers"  # later questions are not known yet
        why = f"with --replay nothing is sent; the log holds {log.held.answers:,} answers"
        fix = "leave --replay out to ask for them, or name the log of the finished run with --answer-log"
        raise DataError(what, where=log.path.name, why=why, fix=fix)


def key_of_request(*parts: str) -> str:
    """The key of an answer: a hash of everything on which it depends."""
    return hashlib.sha256(json.dumps(parts, ensure_ascii=False).encode("utf-8", "surrogatepass")).hexdigest()
