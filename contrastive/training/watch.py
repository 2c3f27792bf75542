"""Evaluation during a run: held-out measures, the best model so far, early stopping, and which files to keep."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from contrastive import distributed
from contrastive.config import Config
from contrastive.loss import ModelWithHead
from contrastive.training import average
from contrastive.training.evaluate import RECALL_AT, held_out, held_out_loss
from contrastive.training.inputs import RunInputs
from contrastive.training.state import Training, save_file
from contrastive.training.zero_shot import ZERO_SHOT, zero_shot
from strictio.errors import UsageError, nearest

BEST = "best.pt"


def measure(training: Training, inputs: RunInputs) -> dict[str, float]:
    """Return loss and recall on the held-out pairs and zero-shot accuracy, also for averaged weights (``ema_...``), if data exist."""

    def of_model() -> dict[str, float]:
        values: dict[str, float] = {}
        if len(inputs.held_out_rows) and isinstance(training.learner, ModelWithHead):
            values = held_out_loss(training.learner, inputs.held_out, inputs.held_out_rows, inputs.preprocess)
        elif len(inputs.held_out_rows):
            measured = inputs.held_out, inputs.held_out_rows, inputs.preprocess, inputs.held_out_same
            values = held_out(training.model, *measured)
        return values | (zero_shot(training.model, inputs.zero_shot) if inputs.zero_shot else {})

    measures = of_model()
    if training.ema is None:
        return measures
    with average.in_place(training.ema, training.model):
        return measures | {f"ema_{name}": value for name, value in of_model().items() if name != "pairs"}


def check_best(config: Config, *, held_out: bool) -> None:
    """Raise `UsageError` if ``run.best_by`` is not measured; `held_out`: whether there are evaluation pairs."""
    name = config.run.best_by
    recalls = [f"{way}_recall@{k}" for way in ("image_to_text", "text_to_image") for k in RECALL_AT] if config.loss.contrastive else []
    known = [*(["loss", *recalls] if held_out else []), *(ZERO_SHOT if config.data.zero_shot else [])]
    known += [f"ema_{metric}" for metric in known] if config.optim.ema else []
    if name is not None and name not in known:
        fix = nearest(name[:80], known) if known else "set data.held_out, data.validation or data.zero_shot"
        raise UsageError(f"run.best_by = {name[:80]!r} is not measured", fix=fix)


def judge(training: Training, inputs: RunInputs, measures: Mapping[str, float]) -> None:
    """Keep the model as ``best.pt`` if it is the best so far. Every process must call it."""
    name = inputs.config.run.best_by
    if name is None:
        return
    value = measures[name] if name.endswith("loss") else -measures[name]
    before = training.best
    better = bool(distributed.all_reduce_max(int(before is None or value < before[0])))
    training.best = (value, 0) if better or before is None else (before[0], before[1] + 1)
    if better:
        save_file(BEST, training, inputs, measures, resumable=False)


def out_of_patience(training: Training, inputs: RunInputs) -> bool:
    """Whether the last ``run.patience`` evaluations brought no improvement."""
    patience = inputs.config.run.patience
    return bool(patience) and training.best is not None and training.best[1] >= patience


def drop_old(inputs: RunInputs) -> None:
    """Remove all but the newest ``run.keep_last`` intermediate checkpoints. The first process calls it."""
    most = inputs.config.run.keep_last
    kept = sorted(Path(inputs.config.run.out).glob("step-*.pt"), key=lambda path: int(path.stem.partition("-")[2]))
    for path in kept[:-most] if most else ():
        inputs.folder.remove(path.name)
