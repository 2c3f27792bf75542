"""The options of a mitigation: those of ``vlm-audit mitigate``, and those only available from Python."""

from __future__ import annotations

import os
from dataclasses import fields
from typing import Any, Literal

from audit.errors import UsageError
from audit.options.audits import RULES, UNITS, AuditRequest
from audit.options.declared import HOW
from audit.options.gates import GATES, GatedRequest
from audit.options.kinds import (
    Bins,
    CacheRoot,
    Count,
    Data,
    Draws,
    Encoding,
    ErrorRate,
    FilePath,
    Fraction,
    ModelArgs,
    ProbeName,
    Progress,
    Several,
    StagesOf,
    Switch,
    Text,
    Whole,
)
from audit.options.schema import is_given, like, option
from audit.types import Settings

WHAT, CHANGE = "what to change", "the change and its verdict"
WORST = "worst"
Method = Literal["mean-difference-within-class", "leace", "projection", "calibrated-projection", "mean-difference", "finetune"]


def _as_in_audit(name: str, task: str | None = None) -> Any:
    field = AuditRequest.model_fields[name]
    extra: Any = field.json_schema_extra
    return like(field, task or extra["task"])


class MitigateRequest(GatedRequest):
    """All options of a mitigation: those of ``vlm-audit mitigate``, and those only available from Python."""

    model: Text = option(
        "", WHAT, "a ckpt.pt, a folder in Hugging Face or open_clip layout, hf:ORG/NAME[@REV] or open_clip:ARCH,FILE", metavar="SPEC",
        basic=True,
    )  # fmt: skip
    model_args: ModelArgs = _as_in_audit("model_args", WHAT)
    probe: ProbeName | None = option(
        None, WHAT, "a probe (vlm-audit probes), or your own file.py, which is run", metavar="NAME", basic=True
    )
    """Or a `Probe`."""
    data: Data = _as_in_audit("data", WHAT)
    out: FilePath | None = option(
        None,
        WHAT,
        "the changed model, in the form it came in, with mitigation.json; a folder that does not exist",
        metavar="DIR",
        basic=True,
    )

    question: Text | None = option(
        None, CHANGE, f"the gap to make smaller, such as 'role.accuracy by gender', or '{WORST}' of those planned, by the fitted half "
        "(default: the first what-if of the probe)", metavar="NAME", basic=True,
    )  # fmt: skip
    method: Method | None = option(
        None, CHANGE, "the map that is exported (default: mean-difference-within-class if the question has true answers, else leace); "
        "finetune: the model is trained further on the fitted half", basic=True,
    )  # fmt: skip
    captions: FilePath | None = option(
        None, CHANGE, "with finetune: corrected captions, a table with a column that identifies the image and a column 'caption' (default: "
        "the prompts of the true answers, groups drawn equally often)", metavar="FILE",
    )  # fmt: skip
    train: Several[Text] = option(
        (), CHANGE, "with finetune: a setting of the trainer, such as optim.lr=1e-5 or optim.steps=200; repeatable", metavar="SETTING"
    )
    towers: Literal["both", "text"] = option(
        "both", CHANGE, "text: change the text tower alone, for models whose image tower has no output layer", basic=True
    )
    margin: Fraction = option(0.02, CHANGE, "the largest fall of the accuracy that would not matter")
    require: Literal["better"] | None = option(None, CHANGE, "exit with 1 unless the changed model is better")

    fail_on: Several[Text] = like(
        AuditRequest.model_fields["fail_on"], GATES, "exit with 1 if this is shown: 'change[role.accuracy by tone] > 0.02'; repeatable"
    )

    image_root: FilePath | None = _as_in_audit("image_root")
    image_column: Text | None = _as_in_audit("image_column")
    attributes_from: FilePath | None = _as_in_audit("attributes_from")
    encoding: Encoding | None = _as_in_audit("encoding")
    bins: Bins = _as_in_audit("bins")
    cluster: Text | None = _as_in_audit("cluster", UNITS)

    alpha: ErrorRate = option(0.05, RULES, "error rate of tests and intervals")
    tolerance: Fraction = option(0.05, RULES, "the largest gap that is negligible")
    min_group_size: Count = option(30, RULES, "smaller groups are shown but not compared, in either half", metavar="N")
    seed: Whole = option(
        0, RULES, "random seed of the tests and controls; the split of the images follows from the data alone", metavar="N"
    )

    device: Text = option("cpu", HOW, "cpu, cuda, cuda:1, mps; several GPUs of this machine: cuda:0,cuda:1, or cuda:all", basic=True)
    batch_size: Count = option(32, HOW, "images per batch; halved when memory runs out", metavar="N")
    max_skip: Fraction = option(0.01, HOW, "the largest share of unreadable images that is tolerated", metavar="FRACTION")
    no_cache: Switch = option(False, HOW, "neither read nor write the cache of embeddings")
    verify: Switch = option(False, HOW, "read all weights and images again, even from files that have not changed")
    cache_root: CacheRoot | None = _as_in_audit("cache_root")

    draws: Draws = option(9999, None, "Permutation draws; the smallest possible p is 1 / (draws + 1).")
    progress: Progress | None = option(None, None, "Called with the number of images embedded so far, and the total.")
    stages: StagesOf | None = option(None, None, "Called with the stage of the run, the steps done, and their total.")
    command: Several[Text] = option((), None, "The command line, for the results.")

    def check_combination(self) -> None:
        """Raise UsageError for an option that is missing, a folder that exists, or options about gates without a gate."""
        self.check_gates(self.fail_on, "change > 0.02")
        for name in ("model", "probe", "out"):
            if not getattr(self, name):
                fix = "vlm-audit mitigate --model ckpt.pt --probe emoji --out DIR"
                raise UsageError(f"--{name} is missing", fix=fix)
        if self.method != "finetune" and (self.captions or self.train):
            name = "captions" if self.captions else "train"
            raise UsageError(f"--{name} requires --method finetune", where=f"--{name}", fix="--method finetune")
        if self.out is not None and os.path.lexists(self.out):
            fix = "name a folder that does not exist, or remove it"
            raise UsageError(f"{str(self.out)!r} exists already", where="--out", why="a model is never overwritten", fix=fix)

    @property
    def folder(self) -> FilePath:
        """The folder of the changed model."""
        assert self.out is not None  # noqa: S101  (`check_combination`)
        return self.out

    def audit_request(self, **more: Any) -> AuditRequest:
        """The request for an audit of the model with these options; `more` replaces some of them."""
        own = ("out", "command", "fail_on", *GatedRequest.model_fields)
        shared = [name for name in AuditRequest.model_fields if name in type(self).model_fields and name not in own]
        options = {name: value for name in shared if is_given(value := getattr(self, name))}
        return AuditRequest(**{**options, **more})

    @property
    def settings(self) -> Settings:
        """Everything that affects the numbers besides model and data."""
        return Settings(**{field.name: getattr(self, field.name) for field in fields(Settings) if hasattr(self, field.name)})
