"""The options of a comparison: those of ``vlm-audit compare``, and those only available from Python."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from audit.cli.logs import LogFormat
from audit.options.audits import AuditRequest, Decode, Dtype
from audit.options.gates import GATES, GatedRequest
from audit.options.kinds import (
    AboveOne,
    Axis,
    CacheRoot,
    Columns,
    Count,
    Data,
    Encoding,
    ErrorRate,
    FilePath,
    Fraction,
    LabelMapFile,
    ModelArgs,
    ModelName,
    Names,
    ProbeName,
    Progress,
    Several,
    Side,
    StagesOf,
    Switch,
    Text,
    Whole,
)
from audit.options.schema import check_model_names, is_given, like, option
from audit.types import Settings

MODELS, AS_FIRST, SIDES = "for models, which are audited first", "statistics (default: as in the first audit)", "what to compare"


def _as_in_audit(name: str, task: str | None, help: str | None = None) -> Any:  # noqa: A002 - argparse's word
    return like(AuditRequest.model_fields[name], task, help)


class CompareRequest(GatedRequest):
    """All options of a comparison: those of ``vlm-audit compare``, and those only available from Python."""

    sides: Several[Side] = option(
        (), SIDES, "the directory of a finished audit, or a model as audit.run takes it", metavar="SIDE", basic=True, positional=True
    )
    """Or `Audit` objects, or model objects. Everything is compared with the first."""
    name: Several[ModelName] = option(
        (), SIDES, "what to call a side on the page, on the terminal and in the files; repeatable: one for each side, in their order",
        metavar="NAME",
    )  # fmt: skip
    series: Switch = option(False, SIDES, "checkpoints of one run: curves over their steps (detected automatically from 3 on)", basic=True)
    series_axis: Axis | None = option(
        None, SIDES, "a series by numbers of your own instead of training steps: a name and one value for each model, in their order "
        "(dose=0,0.25,0.5); several models may have the same value", metavar="NAME=V,V",
    )  # fmt: skip
    out: FilePath | None = option(None, SIDES, "default: audits/<before>-against-<after>--comparison--<UTC>", metavar="DIR", basic=True)
    """Directory of the output files, with the audits below it; from Python, None writes none."""
    log_format: LogFormat = option("text", SIDES, AuditRequest.model_fields["log_format"].description or "")

    probe: Several[ProbeName] = _as_in_audit("probe", MODELS, "a probe (vlm-audit probes), or your own file.py, which is run; repeatable")
    data: Data = _as_in_audit("data", MODELS)
    split: Names = _as_in_audit("split", MODELS)
    image_root: FilePath | None = _as_in_audit("image_root", MODELS)
    image_column: Text | None = _as_in_audit("image_column", MODELS)
    column: Columns = _as_in_audit("column", MODELS)
    encoding: Encoding | None = _as_in_audit("encoding", MODELS)
    model_args: ModelArgs = _as_in_audit("model_args", MODELS, "what a file of weights does not say")
    label_map: LabelMapFile = _as_in_audit("label_map", MODELS)
    limit: Count | None = _as_in_audit("limit", MODELS, "a stratified sample of N images; such a comparison is inconclusive")
    device: Text | None = _as_in_audit("device", MODELS)
    dtype: Dtype | None = _as_in_audit("dtype", MODELS)
    decode: Decode | None = _as_in_audit("decode", MODELS)
    batch_size: Count | None = _as_in_audit("batch_size", MODELS)
    max_skip: Fraction | None = _as_in_audit("max_skip", MODELS)

    seed: Whole | None = _as_in_audit("seed", AS_FIRST, "of the random draws")
    alpha: ErrorRate | None = _as_in_audit("alpha", AS_FIRST)
    tolerance: Fraction | None = _as_in_audit("tolerance", AS_FIRST, "a change that would not matter")
    ratio_tolerance: AboveOne | None = _as_in_audit("ratio_tolerance", MODELS)
    min_group_size: Count | None = _as_in_audit("min_group_size", AS_FIRST)

    fail_on: Several[Text] = _as_in_audit(
        "fail_on", GATES, "exit with 1 if this is shown: 'change[role.accuracy by gender] > 0.02'; repeatable"
    )

    no_cache: Switch = option(False, MODELS, AuditRequest.model_fields["no_cache"].description or "")
    verify: Switch = option(False, MODELS, AuditRequest.model_fields["verify"].description or "")
    cache_root: CacheRoot | None = _as_in_audit("cache_root", MODELS)
    progress: Progress | None = _as_in_audit("progress", None)
    stages: StagesOf | None = _as_in_audit("stages", None)
    command: Several[Text] = option((), None, "The command line, for the results.")

    def check_combination(self) -> None:
        """Raise UsageError for names that do not fit the sides, and for options about gates without a gate."""
        check_model_names(self.name, len(self.sides), "side")
        self.check_gates(self.fail_on, "change > 0.02")

    def audit_options(self) -> dict[str, Any]:
        """The options for the audit of a model, as given."""
        own = ("name", "out", "command", "fail_on", *GatedRequest.model_fields)
        shared = [name for name in self.fields() if name in AuditRequest.model_fields and name not in own]
        return {name: value for name in shared if is_given(value := getattr(self, name))}

    def settings(self, first: Settings) -> Settings:
        """The settings of the first audit, overridden by those given."""
        overrides = {name: value for name in ("seed", "alpha", "tolerance", "min_group_size") if (value := getattr(self, name)) is not None}
        return replace(first, **overrides)
