"""A training run: made ready, taken up where it was left, carried through, written down."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from contrastive import checkpoint as files
from contrastive.config import Config, first_difference
from contrastive.data import CaptionedImages, TrainingDataError, open_source
from contrastive.data.order import batch_positions, place, split
from contrastive.data.pairs import Pairs, load_pairs, texts_of
from contrastive.errors import ConfigError, ContrastiveError
from contrastive.evaluate import held_out
from contrastive.journal import Journal, StopRequest
from contrastive.losses import LOSSES
from contrastive.model import CLIP, ModelConfig
from contrastive.optim import clamp_logit_scale, clip, learning_rate, make_optimizer, set_learning_rate
from contrastive.preprocess import Preprocess
from contrastive.presets import preset
from contrastive.tokenizer import Tokenizer, clip_tokenizer, train_bpe


@dataclass(frozen=True)
class Material:
    """Everything that a configuration names, opened. Never changes during the run."""

    config: Config
    model: ModelConfig
    preprocess: Preprocess
    tokenizer: Tokenizer
    pairs: Pairs
    train_rows: NDArray[np.int64]
    held_out_rows: NDArray[np.int64]
    data_card: str

    @property
    def identity(self) -> dict[str, Any]:
        """Return setting -> value for all that decides the parameters, data included."""
        return {**self.config.identity(), "the data (sha256)": self.pairs.sha256}


@dataclass
class Training:
    """What changes: the parameters and the number of steps taken. With the material that is the whole state."""

    model: CLIP
    optimizer: torch.optim.AdamW
    step: int = 0
    seconds: float = 0.0
    """Wall time of the steps so far, over all resumptions."""
    saved: int = 0
    """Steps taken when the state was last written."""


# ---- made ready ----------------------------------------------------------------------------------------------------------------------


def prepare(config: Config) -> Material:
    """Open the data, train or read the tokenizer, decide the architecture.

    Raises
    ------
    ConfigError
        If the configuration names something that does not exist or does not fit.
    TrainingDataError
        If the data cannot be read or are fewer than one batch.
    """
    _check_device(config.run.device)
    architecture = _architecture(config)
    source = open_source(config.data)
    tokenizer = _tokenizer(source, config, architecture.text.context)
    text = replace(architecture.text, vocab_size=tokenizer.vocab_size)
    preprocess = Preprocess(architecture.vision.image_size)
    train_rows, held_out_rows = split(config.run.seed, len(source), config.data.held_out)
    if len(train_rows) < config.data.batch:
        raise TrainingDataError(
            f"{len(train_rows)} pairs do not fill a batch of {config.data.batch}", fix=f"data.batch={max(2, len(train_rows) // 4)}"
        )
    pairs = load_pairs(source, preprocess, tokenizer, config.data.templates)
    card = _card(source, pairs, len(held_out_rows))
    return Material(config, replace(architecture, text=text), preprocess, tokenizer, pairs, train_rows, held_out_rows, card)


def _check_device(device: str) -> None:
    try:
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(f"run.device cannot be {device!r} here", why=str(error).splitlines()[0], fix="run.device=cpu") from error


def _architecture(config: Config) -> ModelConfig:
    plain = _laid_over(preset(config.model.preset).to_dict(), config.model.changes or {})
    try:
        return ModelConfig.from_dict({**plain, "score_rule": config.loss.kind})
    except ConfigError as error:
        raise ConfigError(error.what.replace("config", "model", 1), why=error.why, fix=error.fix) from error


def _laid_over(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for name, value in changes.items():
        below = merged.get(name)
        merged[name] = _laid_over(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
    return merged


def _tokenizer(source: CaptionedImages, config: Config, context: int) -> Tokenizer:
    if config.data.tokenizer == "clip":
        return clip_tokenizer(context)
    texts = (text for index in range(len(source)) for text in texts_of(source, index, config.data.templates))
    return train_bpe(texts, config.data.vocabulary, context)


def _card(source: CaptionedImages, pairs: Pairs, held_out_count: int) -> str:
    sentences = [source.card]
    if held_out_count:
        sentences.append(f"{held_out_count} pairs were held out of training.")
    if pairs.replaced:
        sentences.append(f"{len(pairs.replaced)} unreadable pictures were replaced by a neighbouring pair.")
    return " ".join(sentences)


# ---- taken up ------------------------------------------------------------------------------------------------------------------------


def start(material: Material) -> Training:
    """Return the run before its first step. The weights depend on the seed alone."""
    model = CLIP(material.model, torch.Generator().manual_seed(material.config.run.seed)).to(material.config.run.device)
    return Training(model, make_optimizer(model, material.config.optim))


def take_up(material: Material, found: files.Checkpoint, path: Path) -> Training:
    """Return the run where its checkpoint left it.

    Raises
    ------
    ConfigError
        If the checkpoint belongs to another configuration or to other data; the first difference is named.
    """
    account = found.account or {}
    difference = first_difference(_flat(account.get("identity")), material.identity)
    if difference:
        raise ConfigError(
            "the output folder holds another run",
            where=str(path),
            why=difference,
            fix="choose another run.out=DIR, or replace it with --fresh",
        )
    training = start(material)
    training.model.load_state_dict(found.model.state_dict())
    training.step = training.saved = found.step
    training.seconds = float(account.get("wall_s", 0.0))
    if found.training is not None:
        groups = training.optimizer.state_dict()["param_groups"]
        training.optimizer.load_state_dict({"state": found.training["optimizer"], "param_groups": groups})
    return training


def _flat(identity: object) -> dict[str, Any]:
    return dict(identity) if isinstance(identity, dict) else {}


# ---- carried through -----------------------------------------------------------------------------------------------------------------


def carry_through(training: Training, material: Material, stop: StopRequest, *, quiet: bool = False) -> None:
    """Take the remaining steps, or as many as until a stop is requested; the state is on disk afterwards.

    Raises
    ------
    ContrastiveError
        If loss or gradient is not finite: nothing is written, the last saved state stays.
    MachineError
        If the state or the log cannot be written.
    """
    config, out = material.config, Path(material.config.run.out)
    journal = Journal(out / "log.jsonl")
    batch, steps = config.data.batch, config.optim.steps
    pause_s = 0.5 if sys.stderr.isatty() else 10.0  # a log file needs no animation
    start, end = training.step * batch, steps * batch
    with tqdm(initial=start, total=end, unit=" samples", unit_scale=True, disable=quiet, mininterval=pause_s, maxinterval=pause_s) as bar:
        while training.step < steps and stop.signal is None:
            began = time.perf_counter()
            numbers = take_step(training, material)
            training.seconds += time.perf_counter() - began
            bar.set_postfix(loss=f"{numbers['loss']:.3f}", refresh=False)
            bar.update(batch)
            if training.step % config.run.log_every == 0 or training.step == steps:
                journal.write("step", **numbers, wall_s=round(training.seconds, 3))
            if training.step % config.run.save_every == 0 and training.step < steps:
                save(training, material)
    if training.step < steps:
        save(training, material)


def take_step(training: Training, material: Material) -> dict[str, float]:
    """Take one step and return its numbers.

    Raises
    ------
    ContrastiveError
        If loss or gradient is not finite: the parameters stay as they were.
    """
    config, step, model, optimizer = material.config, training.step, training.model, training.optimizer
    epoch, _ = place(step, len(material.train_rows), config.data.batch)
    rows = material.train_rows[batch_positions(config.run.seed, step, len(material.train_rows), config.data.batch)]
    pixels, ids = material.pairs.batch(rows, epoch, config.run.seed, config.data.shift)
    model.train()
    image_nd, text_nd, scale = model(material.preprocess.normalise(pixels.to(config.run.device)), ids.to(config.run.device))
    loss = LOSSES[config.loss.kind](image_nd, text_nd, scale, model.logit_bias)
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    norm = clip(model, config.optim.clip)
    value = float(loss.detach())
    if not (math.isfinite(value) and math.isfinite(norm)):
        raise _diverged(value, norm, training, config)
    rate = learning_rate(step, config.optim)
    set_learning_rate(optimizer, rate)
    optimizer.step()
    clamp_logit_scale(model.logit_scale)
    training.step = step + 1
    return {
        "step": training.step, "epoch": epoch, "loss": value, "lr": rate, "grad_norm": norm,
        "logit_scale": float(model.logit_scale.detach().exp()), "samples": training.step * config.data.batch,
    }  # fmt: skip


def _diverged(loss: float, norm: float, training: Training, config: Config) -> ContrastiveError:
    path = Path(config.run.out) / "ckpt.pt"
    last = f"the last good state, after step {training.saved}, is in {path}" if training.saved else "no state had been saved yet"
    return ContrastiveError(
        f"training diverged in step {training.step + 1}: loss {loss}, gradient length {norm}",
        why=f"a number became infinite or NaN; {last}",
        fix=f"a lower optim.lr (now {config.optim.lr:g}) or a longer optim.warmup (now {config.optim.warmup}), with --fresh",
    )


# ---- written down --------------------------------------------------------------------------------------------------------------------


def finish(training: Training, material: Material) -> dict[str, float]:
    """Measure the held-out pairs, write the final checkpoint (without the optimiser's state), and return the measures."""
    measures: dict[str, float] = {}
    if len(material.held_out_rows):
        loss = LOSSES[material.config.loss.kind]
        measures = held_out(training.model, material.pairs, material.held_out_rows, material.preprocess, loss)
    save(training, material, measures, finished=True)
    Journal(Path(material.config.run.out) / "log.jsonl").write(
        "end", step=training.step, wall_s=round(training.seconds, 3), held_out=measures
    )
    return measures


def save(training: Training, material: Material, measures: Mapping[str, float] | None = None, *, finished: bool = False) -> None:
    """Write ``ckpt.pt``: a model that can be audited at any time; with the optimiser's state as long as the run goes on."""
    account = {
        "identity": material.identity,
        "samples": training.step * material.config.data.batch,
        "wall_s": training.seconds,
        "held_out": dict(measures or {}),
    }
    state = None if finished else {"optimizer": training.optimizer.state_dict()["state"]}
    content = files.Checkpoint(
        training.model, material.preprocess, material.tokenizer, training.step, material.data_card, training=state, account=account
    )
    files.save(Path(material.config.run.out) / "ckpt.pt", content)
    training.saved = training.step
