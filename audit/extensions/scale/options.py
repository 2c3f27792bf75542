"""The options of ``vlm-audit embed``: those of an audit that determine what is embedded, and how to divide the work."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import PlainValidator

from audit.errors import UsageError
from audit.models.spec import served_kind
from audit.options.audits import AuditRequest
from audit.options.declared import HOW, OF_MODELS, OF_OUTPUTS
from audit.options.gates import GatedRequest
from audit.options.kinds import Text
from audit.options.schema import flag, is_given, option

JUDGING = (
    "predictions", "prediction_column", "truth_column", "tags", "texts", "as_replicates", "attributes", "outcome", "pairs", "depth",
    "name", "include_examples", "out", "no_cache", "alpha", "tolerance", "ratio_tolerance", "min_group_size", "fail_on", "baseline_models",
    "lock", *GatedRequest.model_fields, *OF_MODELS, *OF_OUTPUTS,
)  # fmt: skip
"""Options of an audit that do not affect what is embedded, or that need results."""


def _part(value: Any) -> Any:
    from audit.embedding.parts import Part

    if not isinstance(value, Part | str | None):
        raise ValueError("a string")
    return Part.parse(value) if isinstance(value, str) else value


def _actors(value: Any) -> tuple[int, int] | None:
    if value is None:
        return None
    parts = value.split(",") if isinstance(value, str) else value if isinstance(value, tuple | list) else [value]
    try:
        numbers = [int(part) for part in parts]
    except (TypeError, ValueError):
        numbers = []
    if len(numbers) not in (1, 2) or not 1 <= numbers[0] <= numbers[-1]:
        raise ValueError("a number from 1 up, or the fewest and the most, such as 1,8")
    return numbers[0], numbers[-1]


def no_embeddings(model: str) -> UsageError:
    """The error for a model that is not loaded."""
    why = "its answers are kept in a log as it is audited"
    return UsageError(f"{model} is asked over a network, and has no embeddings here", why=why, fix="vlm-audit run")


class EmbedRequest(AuditRequest):
    """All options for filling the cache."""

    engine: Literal["local", "ray"] = option("local", HOW, "local: this process; ray: a Ray cluster (pip install 'ray[data]')", basic=True)
    part: Annotated[Any, PlainValidator(_part)] = option(
        None, HOW, "embed only part i of N, counted from 1 (default: from RANK and WORLD_SIZE, or from the task of a SLURM array)",
        metavar="i/N", basic=True,
    )  # fmt: skip
    ray_address: Text | None = option(
        None, HOW, "with --engine ray: local (a cluster on this machine), auto (the one this machine is in), or ray://HOST:PORT "
        "(default: RAY_ADDRESS, else local)", metavar="ADDRESS",
    )  # fmt: skip
    ray_actors: Annotated[Any, PlainValidator(_actors)] = option(
        None, HOW, "with --engine ray: number of copies of the model, or the fewest and the most (default: 1 to one per GPU, or one per "
        "core)", metavar="MIN,MAX",
    )  # fmt: skip

    def check_combination(self) -> None:
        """Raise UsageError for options about results, and for options of another engine."""
        for name in JUDGING:
            if is_given(getattr(self, name)) and getattr(self, name) != type(self).model_fields[name].default:
                raise UsageError(f"{flag(name)} cannot be used with embed", why="it judges nothing", fix="give it to vlm-audit run")
        if served := next(filter(served_kind, self.model), None):
            raise no_embeddings(repr(served))
        super().check_combination()
        for name in ("ray_address", "ray_actors") if self.engine != "ray" else ():
            if getattr(self, name) is not None:
                raise UsageError(f"{flag(name)} requires --engine ray", fix="leave it out")
        if self.engine == "ray" and self.part is not None:
            raise UsageError("--part cannot be used with --engine ray", why="Ray divides the work itself", fix="leave one of them out")
