"""Progress of a run for callbacks: a stage, how much of it is done, and the total."""

from __future__ import annotations

from collections.abc import Callable

EXTERNAL = ("reading", "testing", "evidence", "writing")
"""Stages of an audit of external predictions, in order."""
MODELS = ("reading", "images", "texts", "testing", "evidence", "what-ifs", "writing")
"""Stages of an audit of models. A generative one has no `texts`, and `what-ifs` occur only on request."""
EMBEDDING = ("images", "texts")
"""Stages of filling the cache only."""
DETAIL = 15
"""Level of the log lines that ``-v`` shows: above those that only go to run.log."""
Stages = Callable[[str, int, int], object]
"""Called with a stage, how much of it is done, and the total: first with nothing done."""


def silent(stage: str, done: int, total: int) -> None:
    """No-op callback."""


class Stage:
    """Counts the progress of one stage."""

    def __init__(self, name: str, total: int, stages: Stages):
        self._name, self._total, self._stages, self._done = name, total, stages, 0
        stages(name, 0, total)

    def advance(self) -> None:
        """Report that one more is done."""
        self._done += 1
        self._stages(self._name, self._done, self._total)
