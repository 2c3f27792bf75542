"""Limits on requests and money: counted before a request is sent, and from zero in each run."""

from __future__ import annotations

import threading
from collections.abc import Callable

from audit.errors import MachineError
from audit.extensions.endpoint.answer_log import Held
from audit.extensions.endpoint.prices import Prices


class EndedError(Exception):
    """A run cannot continue: the parts of a `MachineError`, which `Budget.error` builds from them."""

    def __init__(self, what: str, fix: str, *, where: str | None = None, why: str = ""):
        super().__init__(what)
        self.what, self.fix, self.where, self.why = what, fix, where, why


class Budget:
    """Counts requests and their cost; shared by all requests in flight."""

    def __init__(self, max_requests: int | None, max_cost: float | None, prices: Prices | None, held: Callable[[], Held]):
        self._max_requests, self._max_cost, self._prices, self._held = max_requests, max_cost, prices, held
        self._settled = threading.Condition()
        self.requests = 0
        self._waiting: dict[int, float] = {}
        self.cost = 0.0

    def reserve(self, expected: float) -> int:
        """Count a request that is about to be sent, and its expected cost; raises EndedError if that exceeds a limit.

        Pending requests count with their expected cost, and a request waits for them if it would otherwise fit into the limit:
        concurrent requests cannot exceed it together.
        """
        with self._settled:
            while self._waiting and self._is_above(expected):
                self._settled.wait()
            if self._max_requests is not None and self.requests >= self._max_requests:
                raise _reached("--max-requests")
            if self._is_above(expected):
                raise _reached("--max-cost")
            self.requests += 1
            self._waiting[self.requests] = expected
            return self.requests

    def error(self, ended: EndedError) -> MachineError:
        """The error for a run that ended, with the requests and cost of this run and the contents of the log over all runs.

        Call it after all requests have finished: the log then has their answers.
        """
        held = self._held()
        paid = self._prices.cost(held.sent, held.answered) if self._prices else 0.0
        counted = f"{self.requests:,} requests were sent" + (f" and {self._money(self.cost)} were spent" if self._prices else "")
        kept = f"the log holds {held.answers:,} answers" + (f" for {self._money(paid)}" if paid else "")
        why = "; ".join(filter(None, (ended.why, f"{counted} in this start", kept)))
        return MachineError(ended.what, where=ended.where, why=why, fix=ended.fix)

    def _money(self, amount: float) -> str:
        return f"{amount:.4g} {self._prices.currency if self._prices else ''}".strip()

    def settle(self, ticket: int, cost: float) -> None:
        """Record the actual cost of a finished request."""
        with self._settled:
            self._waiting.pop(ticket, None)
            self.cost += cost
            self._settled.notify_all()

    def _is_above(self, expected: float) -> bool:
        return self._max_cost is not None and self.cost + sum(self._waiting.values()) + expected > self._max_cost


def _reached(limit: str) -> EndedError:
    fix = f"a larger {limit}: the same command resumes where this one stopped"
    return EndedError(f"{limit} is reached before every question was answered", fix)
