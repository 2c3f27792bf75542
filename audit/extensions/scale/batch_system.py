"""The part of the work that a batch system assigns to this process."""

from __future__ import annotations

from collections.abc import Mapping

from audit.embedding.parts import WHOLE, Part
from audit.errors import UsageError

_BATCH_SYSTEMS = (
    ("RANK", "WORLD_SIZE", None, None),
    ("SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_COUNT", "SLURM_ARRAY_TASK_MIN", "SLURM_ARRAY_TASK_STEP"),
)
"""Variables with the number of this task, the number of tasks, the first number, and the step."""


def assigned_part(environment: Mapping[str, str]) -> Part:
    """The part that a batch system assigns to this process, and 1/1 without one.

    From ``RANK`` and ``WORLD_SIZE`` (torchrun, Kubernetes), else from the task of a SLURM array. Raises UsageError if they are invalid.

    Examples
    --------
    >>> str(assigned_part({"RANK": "0", "WORLD_SIZE": "4"})), str(assigned_part({}))
    ('1/4', '1/1')
    >>> str(assigned_part({"SLURM_ARRAY_TASK_ID": "7", "SLURM_ARRAY_TASK_COUNT": "7", "SLURM_ARRAY_TASK_MIN": "1"}))
    '7/7'
    """
    for task, count, first, step in _BATCH_SYSTEMS:
        if task not in environment or count not in environment:
            continue
        variables = {name: environment[name] for name in (task, count, first, step) if name and name in environment}
        try:
            position = (int(variables[task]) - int(variables.get(first or "", 0))) // int(variables.get(step or "", 1))
            return Part.parse(f"{position + 1}/{int(variables[count])}")
        except (ValueError, ZeroDivisionError) as error:
            where = ", ".join(f"{name}={value}" for name, value in variables.items())
            what = "the batch system names no part of the work"
            raise UsageError(what, where=where, why=f"expected {error}", fix="say which: --part 2/7") from error
    return WHOLE
