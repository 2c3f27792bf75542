"""A batch system says which part of the work is asked for."""

import pytest

from audit.errors import UsageError
from audit.extensions.scale.batch_system import assigned_part

SLURM = {"SLURM_ARRAY_TASK_ID": "3", "SLURM_ARRAY_TASK_COUNT": "7"}
TASKS = [
    ({}, "1/1"), ({"RANK": "6", "WORLD_SIZE": "7"}, "7/7"), (SLURM, "4/7"), ({**SLURM, "SLURM_ARRAY_TASK_MIN": "1"}, "3/7"),
    ({**SLURM, "SLURM_ARRAY_TASK_MIN": "1", "SLURM_ARRAY_TASK_STEP": "2"}, "2/7"), ({**SLURM, "RANK": "0", "WORLD_SIZE": "1"}, "1/1"),
    ({"RANK": "0"}, "1/1"),
]  # fmt: skip


@pytest.mark.parametrize(("environment", "part"), TASKS)
def test_a_batch_system_says_which_part(environment, part):
    assert str(assigned_part(environment)) == part


@pytest.mark.parametrize("environment", [{**SLURM, "SLURM_ARRAY_TASK_ID": "9"}, {"RANK": "x", "WORLD_SIZE": "2"}])
def test_a_batch_system_that_says_no_part_is_named(environment):
    with pytest.raises(UsageError, match="names no part") as caught:
        assigned_part(environment)
    assert "--part 2/7" in caught.value.fix
    assert next(iter(environment)) in caught.value.where
