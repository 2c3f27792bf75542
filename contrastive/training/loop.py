"""A training run: prepared (`inputs`), resumed (`state`), run step by step, and finished."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Mapping
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

from tqdm import tqdm

from contrastive import distributed
from contrastive.data.prefetch import prefetched
from contrastive.training.checkpointing import resume, save_run
from contrastive.training.inputs import RunInputs, prepare
from contrastive.training.logs import Boards, EventLog, StopRequest, TensorBoard, WeightsAndBiases
from contrastive.training.state import Training, account_record, save_file, start
from contrastive.training.step import batch_of, take_step
from contrastive.training.watch import check_best, drop_old, judge, measure, out_of_patience
from strictio.errors import VlmAuditError

__all__ = ["RunInputs", "Training", "VlmAuditError", "finish", "prepare", "resume", "run_training", "save_run", "start", "take_step"]


def run_training(training: Training, inputs: RunInputs, stop: StopRequest, *, quiet: bool = False) -> None:
    """Take the remaining steps, or stop when any process receives a stop request; the state is on disk afterwards.

    Raises `VlmAuditError` after too many consecutive non-finite steps (the last state stays); `MachineError` for a disk error.
    """
    check_best(inputs.config, held_out=len(inputs.held_out_rows) > 0)  # for a small table, a share may be empty
    config, batch, steps = inputs.config, inputs.config.data.batch, inputs.config.optim.steps
    pause_s = 0.5 if sys.stderr.isatty() else 10.0  # no animation in a log file
    begin, end = training.step * batch, steps * batch
    boards, silent = _open_boards(inputs, training.step), quiet or not distributed.rank0()
    with (
        closing(boards),
        tqdm(initial=begin, total=end, unit=" samples", unit_scale=True, disable=silent, mininterval=pause_s, maxinterval=pause_s) as bar,
    ):
        batches = prefetched(partial(batch_of, inputs, device=training.device), range(training.step, steps), config.data.prefetch)
        _keep(training, inputs)
        while training.step < steps and not out_of_patience(training, inputs) and not _stopped(stop):
            began = time.perf_counter()
            tensors = next(batches)
            waited = time.perf_counter() - began
            numbers = take_step(training, inputs, tensors)
            seconds = time.perf_counter() - began
            training.seconds += seconds
            training.account.step(batch, tokens=tensors[1].shape[1], seconds=seconds, waited=waited)
            bar.set_postfix(loss=f"{numbers['loss']:.3f}", refresh=False)
            bar.update(batch)
            _log(numbers, training, inputs, boards)
            _keep(training, inputs)
            _watch(training, inputs, boards)
            # Between skipped steps, the weights may be finite but useless: the state before them is the good one.
            if training.step % config.run.save_every == 0 and training.step < steps and not training.skipped:
                save_run(training, inputs)
    if training.step < steps and not training.skipped:
        save_run(training, inputs)


def _keep(training: Training, inputs: RunInputs) -> None:
    """Save a checkpoint for a series; with a stable phase, include the state to continue from it, which the final ``ckpt.pt`` lacks."""
    every, optim = inputs.config.run.keep_every, inputs.config.optim
    wanted = training.step < optim.steps or (optim.schedule != "cosine" and not optim.cooldown)
    if every and training.step % every == 0 and wanted and not training.skipped:
        save_file(f"step-{training.step:06d}.pt", training, inputs, resumable=optim.schedule != "cosine")
        if distributed.rank0():
            drop_old(inputs)


def _watch(training: Training, inputs: RunInputs, boards: Boards) -> None:
    """Evaluate if it is due. This does not affect training, and its time does not count as step time."""
    every = inputs.config.run.eval_every
    if not every or training.step % every or training.step == inputs.config.optim.steps or training.skipped:
        return
    measures = measure(training, inputs)
    judge(training, inputs, measures)
    if measures and distributed.rank0():
        event_log(inputs).write("held_out", step=training.step, **measures)
        boards.write(training.step, measures, "held_out/")


def _stopped(stop: StopRequest) -> bool:
    stop.signal = distributed.all_reduce_max(stop.signal or 0) or None  # from any process, so that all stop after the same step
    return stop.signal is not None


def _log(numbers: dict[str, float], training: Training, inputs: RunInputs, boards: Boards) -> None:
    due = training.step % inputs.config.run.log_every == 0 or training.step == inputs.config.optim.steps
    if distributed.rank0() and (due or numbers["skipped"]):
        plain = {name: value if math.isfinite(value) else None for name, value in numbers.items()}  # JSON has no NaN
        plain |= training.account.rates()
        event_log(inputs).write("step", **plain, wall_s=round(training.seconds, 3))
        boards.write(training.step, plain)


def _open_boards(inputs: RunInputs, step: int) -> Boards:
    if not distributed.rank0():
        return Boards()
    project, config = inputs.config.run.wandb, inputs.config.to_dict()
    return Boards((TensorBoard.open(inputs.folder, step), WeightsAndBiases.open(inputs.folder, project, config, step)))


def event_log(inputs: RunInputs) -> EventLog:
    """Open the log of a run."""
    return EventLog(Path(inputs.config.run.out) / "log.jsonl", inputs.folder)


def finish(training: Training, inputs: RunInputs) -> dict[str, float]:
    """Evaluate, write the final checkpoint, and return the measures. Every process must call it, because shards are evaluated jointly."""
    measures = measure(training, inputs)
    judge(training, inputs, measures)
    save_run(training, inputs, measures, finished=True)
    if distributed.rank0():
        log_end(inputs, training.step, account_record(training, inputs, measures))
        boards = _open_boards(inputs, training.step)
        boards.write(training.step, measures, "held_out/")
        boards.close()
    return measures


def log_end(inputs: RunInputs, step: int, account: Mapping[str, Any]) -> None:
    """Log that the run has ended, with the account of its final checkpoint."""
    shown = {name: account.get(name) for name in ("wall_s", "held_out", "compute", "kg_co2e")}
    event_log(inputs).write("end", step=step, **shown)
