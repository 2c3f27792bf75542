"""A training run: made ready (`material`), taken up where it was left (`state`), carried through step by step, finished."""

from __future__ import annotations

import math
import sys
import time
from functools import partial
from pathlib import Path

from torch import Tensor
from tqdm import tqdm

from contrastive.data.prefetch import prefetched
from contrastive.distributed import processes as distributed
from contrastive.errors import VlmAuditError
from contrastive.loss.dense import LOSSES
from contrastive.loss.objectives import Together
from contrastive.training import average
from contrastive.training.checkpointing import resume, save
from contrastive.training.evaluate import held_out, held_out_loss
from contrastive.training.inputs import RunInputs, prepare
from contrastive.training.journal import Journal, StopRequest
from contrastive.training.state import Training, keep, start, told
from contrastive.training.step import batch_of, take_step
from contrastive.training.tensorboard import Board

__all__ = ["RunInputs", "Training", "VlmAuditError", "finish", "prepare", "resume", "run_training", "save", "start", "take_step"]


def run_training(training: Training, material: RunInputs, stop: StopRequest, *, quiet: bool = False) -> None:
    """Take the remaining steps, or as many as until a stop is requested of any process; the state is on disk afterwards.

    Raises
    ------
    VlmAuditError
        If too many steps in a row are not finite: nothing is written, the last saved state stays.
    MachineError
        If the state or the log cannot be written.
    """
    config = material.config
    batch, steps = config.data.batch, config.optim.steps
    pause_s = 0.5 if sys.stderr.isatty() else 10.0  # a log file needs no animation
    begin, end = training.step * batch, steps * batch
    board = _board_of(material, training.step)
    silent = quiet or not distributed.rank0()
    with tqdm(initial=begin, total=end, unit=" samples", unit_scale=True, disable=silent, mininterval=pause_s, maxinterval=pause_s) as bar:
        batches = prefetched(partial(batch_of, material, device=training.device), range(training.step, steps), config.data.prefetch)
        _keep(training, material)
        while training.step < steps and not _stopped(stop):
            began = time.perf_counter()
            given = next(batches)
            waited = time.perf_counter() - began
            numbers = take_step(training, material, given)
            seconds = time.perf_counter() - began
            training.seconds += seconds
            training.account.step(batch, tokens=given[1].shape[1], seconds=seconds, waited=waited)
            bar.set_postfix(loss=f"{numbers['loss']:.3f}", refresh=False)
            bar.update(batch)
            _log(numbers, training, material, board)
            _keep(training, material)
            _watch(training, material, board)
            # Between steps that were left out the weights may be finite and still beyond use: the state before them is the good one.
            if training.step % config.run.save_every == 0 and training.step < steps and not training.skipped:
                save(training, material)
    board.close()
    if training.step < steps and not training.skipped:
        save(training, material)


def _keep(training: Training, material: RunInputs) -> None:
    """Keep what a series of checkpoints needs. The last step has ``ckpt.pt``, but without the state that a stable phase can go on from."""
    every, optim = material.config.run.keep_every, material.config.optim
    wanted = training.step < optim.steps or (optim.schedule != "cosine" and not optim.cooldown)
    if every and training.step % every == 0 and wanted and not training.skipped:
        keep(training, material)


def _watch(training: Training, material: RunInputs, board: Board) -> None:
    """Measure the held-out pairs where that is due. Nothing that is trained is touched by it, nor is its time counted as the steps'."""
    every = material.config.run.eval_every
    if not every or training.step % every or training.step == material.config.optim.steps or training.skipped:
        return
    measures = measure(training, material)
    if measures and distributed.rank0():
        journal_of(material).write("held_out", step=training.step, **measures)
        board.write(training.step, {f"held_out/{name}": value for name, value in measures.items() if name != "pairs"})


def _stopped(stop: StopRequest) -> bool:
    """Return whether any process was asked to stop: all stop after the same step."""
    stop.signal = distributed.all_reduce_max(stop.signal or 0) or None
    return stop.signal is not None


def _log(numbers: dict[str, float], training: Training, material: RunInputs, board: Board) -> None:
    due = training.step % material.config.run.log_every == 0 or training.step == material.config.optim.steps
    if distributed.rank0() and (due or numbers["skipped"]):
        plain = {name: value if math.isfinite(value) else None for name, value in numbers.items()}  # JSON has no NaN
        plain |= training.account.rates()
        journal_of(material).write("step", **plain, wall_s=round(training.seconds, 3))
        board.write(training.step, plain)


def _board_of(material: RunInputs, step: int) -> Board:
    return Board.open(Path(material.config.run.out) / "tensorboard", step) if distributed.rank0() else Board()


def journal_of(material: RunInputs) -> Journal:
    """Return the run's log."""
    return Journal(Path(material.config.run.out) / "log.jsonl")


def finish(training: Training, material: RunInputs) -> dict[str, float]:
    """Measure the held-out pairs, write the final checkpoint (without the optimiser's state), and return the measures.

    Every process must call it: a sharded model can only be measured by all.
    """
    measures = measure(training, material)
    save(training, material, measures, finished=True)
    if distributed.rank0():
        account = told(training, material, measures)
        shown = {name: account[name] for name in ("wall_s", "held_out", "compute", "kg_co2e")}
        journal_of(material).write("end", step=training.step, **shown)
        board = _board_of(material, training.step)
        board.write(training.step, {f"held_out/{name}": value for name, value in measures.items() if name != "pairs"})
        board.close()
    return measures


def measure(training: Training, material: RunInputs) -> dict[str, float]:
    """Return loss and recall on the held-out pairs, and, where there is one, of the average of the weights (``ema_...``); or nothing."""
    if not len(material.held_out_rows):
        return {}
    dense = LOSSES[material.model.score_rule]

    def loss(image_nd: Tensor, text_nd: Tensor, scale: Tensor, bias: Tensor | None) -> Tensor:
        return dense(image_nd, text_nd, distributed.local_tensor(scale), None if bias is None else distributed.local_tensor(bias))

    def of_model() -> dict[str, float]:
        if isinstance(training.learner, Together):
            return held_out_loss(training.learner, material.pairs, material.held_out_rows, material.preprocess)
        return held_out(training.model, material.pairs, material.held_out_rows, material.preprocess, loss)

    measures = of_model()
    if training.ema is None:
        return measures
    with average.in_place(training.ema, training.model):
        return measures | {f"ema_{name}": value for name, value in of_model().items() if name != "pairs"}
