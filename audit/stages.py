"""How far a run has come, for whoever wants to hear of it: a stage, how much of it is done, and of how much."""

from __future__ import annotations

from collections.abc import Callable

EXTERNAL = ("reading", "testing", "evidence", "writing")
"""Stages of an audit of external predictions, in order."""
MODELS = ("reading", "images", "texts", "testing", "evidence", "what-ifs", "writing")
"""Of an audit of models. A generative one has no `texts`, and `what-ifs` are only where they are asked for."""
EMBEDDING = ("images", "texts")
"""Of filling the cache alone."""
DETAIL = 15
"""Level of the log lines that ``-v`` shows: above those that only run.log gets."""
Stages = Callable[[str, int, int], object]
"""Called with a stage, how much of it is done, and of how much: first with nothing done."""


def silent(stage: str, done: int, total: int) -> None:
    """Tell nobody."""


class Stage:
    """One stage of a run, counted."""

    def __init__(self, name: str, total: int, stages: Stages):
        self._name, self._total, self._stages, self._done = name, total, stages, 0
        stages(name, 0, total)

    def advance(self) -> None:
        """Tell that one more is done."""
        self._done += 1
        self._stages(self._name, self._done, self._total)
