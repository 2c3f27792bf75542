"""A part of a data set: images by the hash of their identifier, so that any number of machines share the work without communication."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from audit.errors import UsageError

if TYPE_CHECKING:
    from jaxtyping import Shaped

_BATCH_SYSTEMS = (
    ("RANK", "WORLD_SIZE", None, None),
    ("SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_COUNT", "SLURM_ARRAY_TASK_MIN", "SLURM_ARRAY_TASK_STEP"),
)
"""Variables with the number of this task, the number of tasks, the first number, and the step."""


@dataclass(frozen=True)
class Part:
    """Part `number` of `of`, counted from 1."""

    number: int
    of: int

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse a part such as ``2/7``; raises ValueError for anything else.

        Examples
        --------
        >>> Part.parse("2/7")
        Part(number=2, of=7)
        """
        match = re.fullmatch(r"(\d{1,9})/(\d{1,9})", text)
        if match is None or not 1 <= int(match[1]) <= int(match[2]):
            raise ValueError("i/N with 1 ≤ i ≤ N, such as 2/7")
        return cls(int(match[1]), int(match[2]))

    @classmethod
    def of_environment(cls, environment: Mapping[str, str]) -> Self:
        """The part that a batch system assigns to this process, and 1/1 without one.

        From ``RANK`` and ``WORLD_SIZE`` (torchrun, Kubernetes), else from the task of a SLURM array. Raises UsageError if they are invalid.

        Examples
        --------
        >>> str(Part.of_environment({"RANK": "0", "WORLD_SIZE": "4"})), str(Part.of_environment({}))
        ('1/4', '1/1')
        >>> str(Part.of_environment({"SLURM_ARRAY_TASK_ID": "7", "SLURM_ARRAY_TASK_COUNT": "7", "SLURM_ARRAY_TASK_MIN": "1"}))
        '7/7'
        """
        for task, count, first, step in _BATCH_SYSTEMS:
            if task not in environment or count not in environment:
                continue
            variables = {name: environment[name] for name in (task, count, first, step) if name and name in environment}
            try:
                position = (int(variables[task]) - int(variables.get(first or "", 0))) // int(variables.get(step or "", 1))
                return cls.parse(f"{position + 1}/{int(variables[count])}")
            except (ValueError, ZeroDivisionError) as error:
                where = ", ".join(f"{name}={value}" for name, value in variables.items())
                what = "the batch system names no part of the work"
                raise UsageError(what, where=where, why=f"expected {error}", fix="say which: --part 2/7") from error
        return cls(1, 1)

    def rows(self, identifiers: Iterable[object]) -> Shaped[np.ndarray, "m"]:
        """Positions of the images in this part, in order."""
        numbers = numbers_of(identifiers)
        return np.flatnonzero(numbers % np.uint64(self.of) == self.number - 1)


WHOLE = Part(1, 1)


def numbers_of(identifiers: Iterable[object]) -> Shaped[np.ndarray, "n"]:
    """A number (uint64) for each identifier that depends on nothing else: the first 8 bytes of its sha256."""
    heads = b"".join(hashlib.sha256(str(identifier).encode("utf-8", "surrogatepass")).digest()[:8] for identifier in identifiers)
    return np.frombuffer(heads, dtype=">u8").astype(np.uint64)
