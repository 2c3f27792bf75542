"""A model that is not loaded but asked over a network: what an audit needs to know of it before anything is sent."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from audit.engine.forecast import ModelForecast
from audit.engine.plan import ProbePlan
from audit.types import Answerer, Manner, TextEncoder


class ServedPlan(Protocol):
    """What `audit.extension.ModelKind.plan` returns."""

    @property
    def name(self) -> str:
        """Of the model, in reports and plan locks."""
        ...

    @property
    def form(self) -> str:
        """The kind in its record: where it is, and by which protocol it is asked. In a plan lock it stands for the hash of weights."""
        ...

    @property
    def manner(self) -> Manner | None:
        """How it will be prompted, as far as that is known before the first request; None if it embeds texts alone."""
        ...

    def forecast(self, plans: Sequence[ProbePlan], cache: Path) -> ModelForecast:
        """What these probes would send, at most."""
        ...

    def opened(self, cache: Path) -> AbstractContextManager[Answerer | TextEncoder]:
        """The model, which may keep its answers in the cache folder; nothing is sent yet, but errors that would prevent it are raised."""
        ...
