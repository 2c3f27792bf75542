"""Requests in, answers out, in their order: from the log where it has them, else from the server, many in flight at once."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from typing import NamedTuple

from audit.errors import DataError, UsageError
from audit.models.endpoint.answer_log import Answer, AnswerLog
from audit.models.endpoint.budget import Budget, EndedError
from audit.models.endpoint.client import Client
from audit.models.endpoint.complaints import RefusedError, final
from audit.models.endpoint.connections import StoppedError
from audit.models.endpoint.modes import Body
from audit.models.endpoint.settings import EndpointSettings

LAST_S = 5.0
"""How long a run that is interrupted waits for answers on their way."""


class ChatRequest(NamedTuple):
    """One request."""

    key: str
    """Of its answer in the log."""
    body: Callable[[], Body]
    """Made when it is sent: an image need not be coded for an answer that the log has."""


class Sender:
    """Asks a server what its log does not know."""

    def __init__(self, settings: EndpointSettings, log: AnswerLog):
        self._settings, self._log = settings, log
        self._budget = Budget(settings.max_requests, settings.max_cost, settings.prices, lambda: log.held)
        self._client: Client | None = None
        self._pool: ThreadPoolExecutor | None = None
        self._refused: dict[str, Answer] = {}
        """Key -> a request of the trial that the server did not take, while it is not known how it is asked."""
        self._under_way: dict[str, Future[None]] = {}
        """Key -> a request that nobody has waited for yet; changed by the thread alone that sends and waits."""

    def send(self, requests: Sequence[ChatRequest]) -> None:
        """Send what the log does not have and what is not on its way, without waiting; raises as `answers` does, but for the server."""
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
        """Return the answer to each request; each is in the log before it counts.

        UsageError if images would leave this machine and nobody confirmed it; otherwise raises as `Client.ask` does, and DataError if all
        answers were to be in the log, or the server does not take a request.
        """
        self.send(requests)
        self._wait_for({request.key for request in requests} & self._under_way.keys())
        logged = [self._log.get(request.key) for request in requests]
        return [answer for answer in logged if answer is not None]

    def tried(self, request: ChatRequest) -> Answer | RefusedError:
        """Return the answer to a request that the server may not take; an answer is kept now, a refusal by `keep_refusals`."""
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
        """Keep what the server did not take, once it is known how it is asked: a rerun asks in the same mode and pays nothing again.

        Of a trial that ends in an error nothing is kept: the next start tries again.
        """
        for key, answer in self._refused.items():
            self._log.add(key, answer)
        self._refused.clear()

    def close(self) -> None:
        """Send nothing more."""
        if self._client is not None:
            self._stop(self._client, LAST_S)
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def check_upload(self) -> None:
        """Raise `UsageError` where images would leave this machine, and nobody confirmed it."""
        if not (self._settings.is_local or self._settings.confirm_upload):
            fix = "--check says how many and what it costs; --confirm-upload, if they may"
            raise UsageError(f"images would be sent to {self._settings.host}", where="--base-url", why="it is not this machine", fix=fix)

    def open(self) -> None:
        """Make ready to send: what keeps a run from it is said now."""
        self.check_upload()
        self._opened()

    def _check(self, missing: Sequence[ChatRequest]) -> None:
        if self._settings.replay:
            what = f"the answer log lacks at least {len(missing):,} of the answers"  # later questions are not yet known
            why = f"with --replay nothing is sent; the log holds {self._log.held.answers:,} answers"
            fix = "leave --replay out to ask for them, or name the log of the finished run with --answer-log"
            raise DataError(what, where=self._log.path.name, why=why, fix=fix)
        self.check_upload()

    def _opened(self) -> Client:
        if self._client is None:
            self._client = Client(self._settings, self._budget)
        return self._client

    def _wait_for(self, keys: Collection[str]) -> None:
        """Wait for requests; if one of them fails, nothing more is sent, and its error is raised once the others have come in."""
        if not keys:
            return
        futures, client = [self._under_way[key] for key in keys], self._opened()
        try:
            wait(futures, return_when=FIRST_EXCEPTION)
        except BaseException:  # Ctrl-C among them
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
        """Send nothing more, once the answers on their way have come in."""
        client.stop()
        for future in self._under_way.values():
            future.cancel()
        wait(self._under_way.values(), timeout=timeout)
        client.close()


def key_of_request(*parts: str) -> str:
    """Return the key of an answer: a hash of everything that it depends on."""
    return hashlib.sha256(json.dumps(parts, ensure_ascii=False).encode("utf-8", "surrogatepass")).hexdigest()
