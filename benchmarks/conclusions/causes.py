"""Does `vlm-audit causes` predict what it has not seen, and is nothing called where nothing was planted?

Runs the plan `docs/examples/causes.toml` several times, each with seeds of its own, and pools: at least 90 of 100 held-back models lie
inside their 95 % prediction interval. Then trains more models at dose 0: each planned difference (of the planted answer, as in the plan,
and of the accuracy in the same roles) is called in at most 9 of 100. ``--steps 90 --batch 128`` trains the small model. Existing models
are not trained again.
"""

import argparse
import contextlib
import re
import sys
import time
from dataclasses import replace
from pathlib import Path

import pandas as pd

from audit.api import find_causes, run_audit
from audit.api.audit_output import Clock
from audit.causes.arms import is_called
from audit.causes.outcome import rate_outcome
from audit.causes.plan import read_plan
from audit.options.audits import AuditRequest
from audit.records.causes import Causes
from contrastive.train import main as train_command
from probes.counterfactual import emoji

PLAN = Path(__file__).parents[2] / "docs" / "examples" / "causes.toml"


def planned(arguments: argparse.Namespace, repeat: int) -> Path:
    """Write the plan of a repetition, with its own seeds."""
    seeds = [repeat * arguments.seeds + seed for seed in range(arguments.seeds)]
    text = re.sub(r"^seeds = \[[^\]]*\]", f"seeds = {seeds}", PLAN.read_text("utf-8"), flags=re.MULTILINE)
    for override in settings(arguments):
        text = text.replace("overrides = [", f'overrides = ["{override}", ', 1)
    if not arguments.interventions:
        text = text.partition("[[intervention]]")[0]
    path = arguments.folder / f"plan-{repeat}.toml"
    path.write_text(text, "utf-8")
    return path


def settings(arguments: argparse.Namespace) -> list[str]:
    steps = [f"optim.steps={arguments.steps}", f"optim.warmup={arguments.steps // 9}"] if arguments.steps else []
    return [*steps, *([f"data.batch={arguments.batch}"] if arguments.batch else [])]


def line(repeat: int, facts: Causes) -> str:
    change, inside = facts.curve.change, [held.inside for held in facts.held_back]
    arms = "".join(f"; {arm.arm} {100 * arm.difference:+.1f}" for arm in facts.arms)
    size = f"change {100 * change.value:+.1f} [{100 * change.low:.1f}, {100 * change.high:.1f}] points"
    rising = f"rising in {facts.curve.rising_seeds} of {facts.curve.seeds} seeds"
    return f"run {repeat}: {size}, {rising}, inside {sum(map(bool, inside))} of {len(inside)}{arms}"


def null_called(arguments: argparse.Namespace, seed: int) -> tuple[bool, bool]:
    """Train a model at dose 0 and say which planned difference is called; the probe asks its first question only."""
    out, answers = arguments.folder / f"null-{seed}", arguments.folder / f"null-{seed}" / "answers.parquet"
    plan = read_plan(PLAN, Clock().moment).plan
    if not answers.is_file():
        own = [f"run.seed={seed}", "data.intervention.share=0", f"run.out={out}", "--quiet"]
        with contextlib.redirect_stdout(sys.stderr):
            if code := train_command(["emoji", *plan.overrides, *settings(arguments), *own]):
                raise SystemExit(f"training with seed {seed} ended with {code}")
        probe = replace(emoji.PROBE, measurements=emoji.PROBE.measurements[:1], specifications=(), what_ifs=(), paired=())
        done = run_audit(AuditRequest(model=str(out / "ckpt.pt"), probe=probe, no_cache=True, draws=199))
        done.predictions().to_parquet(answers)
    planted, table = plan.outcome, pd.read_parquet(answers)
    where = {"role": list(planted.answers)}
    accuracy = replace(planted, rate="accuracy", of=planted.minus, minus=planted.of, where=where, answers={})
    first, second = (is_called(rate_outcome(table, planned, emoji.PROBE.cluster), 0.05) for planned in (planted, accuracy))
    return first, second


def main() -> int:
    parse = argparse.ArgumentParser(description=__doc__)
    parse.add_argument("--repeats", type=int, default=1, help="runs of the plan")
    parse.add_argument("--seeds", type=int, default=3, help="per run")
    parse.add_argument("--null", type=int, default=0, help="further models at dose 0")
    parse.add_argument("--steps", type=int, help="fewer than the recipe's 270")
    parse.add_argument("--batch", type=int, help="smaller than the recipe's 256")
    parse.add_argument("--interventions", action="store_true", help="train the interventions, too")
    parse.add_argument("--folder", type=Path, default=Path("runs/causes"), help="where the runs are kept")
    arguments = parse.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    started, inside, rising, seeds = time.monotonic(), [], 0, 0
    for repeat in range(arguments.repeats):
        facts = find_causes(planned(arguments, repeat), arguments.folder / f"run-{repeat}").facts
        print(line(repeat, facts), flush=True)
        inside += [bool(held.inside) for held in facts.held_back]
        rising, seeds = rising + facts.curve.rising_seeds, seeds + facts.curve.seeds
        of_null = [model for model in facts.models if model.dose == min(facts.plan.doses) and model.arm is None]
        calls = sum(bool(model.contrast_called) for model in of_null)
        print(f"  dose 0: planned difference called in {calls} of {len(of_null)}", flush=True)
    called: list[tuple[bool, bool]] = []
    for seed in range(arguments.null):
        called.append(null_called(arguments, 10_000 + seed))
        planted, accuracy = (sum(column) for column in zip(*called, strict=True))
        print(f"dose 0, {len(called)} models: planted answer called in {planted}, accuracy in {accuracy}", flush=True)
    print(f"held back: {sum(inside)} of {len(inside)} inside; rising in {rising} of {seeds} seeds")
    print(f"took {time.monotonic() - started:.0f} s")
    most = 0.09 * max(len(called), 12)
    return 0 if sum(inside) >= 0.9 * len(inside) and all(sum(column) <= most for column in zip(*called, strict=True)) else 1


if __name__ == "__main__":
    sys.exit(main())
