"""What `audit.embed` may be asked for: an `AuditRequest` that judges nothing, and where its work is done. Cheap to import."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from audit.api import checks
from audit.api.requests import HOW, AuditRequest
from audit.cli.options import flag, one_of, option, text
from audit.errors import UsageError

JUDGING = (
    "predictions", "prediction_column", "truth_column", "tags", "texts", "as_replicates", "attributes", "outcome", "pairs", "depth",
    "include_examples", "out", "no_cache", "alpha", "tolerance", "ratio_tolerance", "min_group_size", "fail_on", "require_conclusive",
    "junit",
)  # fmt: skip
"""Options of an audit that decide nothing about what is embedded, or that need a judgement."""
ENGINES = ("local", "ray")


def _part(value: Any) -> Any:
    from audit.embedding.engines.parts import Part

    return value if isinstance(value, Part) else Part.parse(text(value))


def _actors(value: Any) -> tuple[int, int]:
    """Check a number of actors, or the fewest and the most."""
    given = value.split(",") if isinstance(value, str) else value if isinstance(value, tuple | list) else [value]
    try:
        numbers = [int(each) for each in given]
    except (TypeError, ValueError):
        numbers = []
    if len(numbers) not in (1, 2) or not 1 <= numbers[0] <= numbers[-1]:
        raise ValueError("a number from 1 up, or the fewest and the most, such as 1,8")
    return numbers[0], numbers[-1]


@dataclass(frozen=True)
class EmbedRequest(AuditRequest):
    """Everything that filling the cache may be asked for."""

    engine: str = option(
        one_of(*ENGINES), "local", HOW, "local: this process; ray: a Ray cluster (pip install 'vlm-audit[ray]')", choices=ENGINES
    )
    part: Any = option(
        _part, None, HOW, "embed part i of N alone, counted from 1 (default: what RANK and WORLD_SIZE, or the task of a SLURM array, say)",
        metavar="i/N",
    )  # fmt: skip
    ray_address: str | None = option(
        text, None, HOW, "with --engine ray: local (a cluster on this machine), auto (the one this machine is in), or ray://HOST:PORT "
        "(default: RAY_ADDRESS, else local)", metavar="ADDRESS",
    )  # fmt: skip
    ray_actors: Any = option(
        _actors, None, HOW, "with --engine ray: how many copies of the model, or the fewest and the most (default: 1 to one a GPU, or one "
        "a core)", metavar="MIN,MAX",
    )  # fmt: skip

    def check_together(self) -> None:
        """Refuse what judges, and options of another engine."""
        for name in JUDGING:
            if checks.is_given(getattr(self, name)) and getattr(self, name) != getattr(type(self), name, None):
                raise UsageError(f"{flag(name)} cannot be used with embed", why="it judges nothing", fix="give it to vlm-audit run")
        super().check_together()
        for name in ("ray_address", "ray_actors") if self.engine != "ray" else ():
            if getattr(self, name) is not None:
                raise UsageError(f"{flag(name)} requires --engine ray", fix="leave it out")
        if self.engine == "ray" and self.part is not None:
            raise UsageError("--part cannot be used with --engine ray", why="Ray divides the work itself", fix="leave one of them out")
