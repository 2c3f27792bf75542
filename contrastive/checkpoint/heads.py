"""Checkpoints whose image tower was taught through a head of an objective's own, and not by comparison with the text tower."""

from __future__ import annotations

from collections.abc import Mapping

from torch import nn

from contrastive.checkpoint.file import Checkpoint, is_state
from strictio.errors import DataError
from strictio.weights.fit import check_fit


def require_both_towers(checkpoint: Checkpoint) -> None:
    """Raise `DataError` if the image tower was taught through a head: its image and text features were never compared."""
    if checkpoint.head is not None:
        why = f"it was trained with loss.kind = {str(checkpoint.head.get('kind'))[:80]!r}: the image tower and a head of its own"
        fix = "train it on with model.init=THIS loss.kind=softmax, or take a checkpoint of a contrastive run"
        raise DataError("the model's text tower was never taught to go with its image tower", why=why, fix=fix)


def kind_of(checkpoint: Checkpoint | None) -> str | None:
    """Return the objective (``loss.kind``) whose head a checkpoint has; None: it has none."""
    kind = (checkpoint.head or {}).get("kind") if checkpoint else None
    return kind if isinstance(kind, str) else None


def load_head(objective: nn.Module, checkpoint: Checkpoint) -> None:
    """Give an objective the head of a checkpoint. Raises `DataError` if it is missing or does not fit."""
    state = (checkpoint.head or {}).get("state_dict")
    if not isinstance(state, Mapping) or not is_state(state):
        raise DataError("the checkpoint has no head of its objective to go on with", fix="start again with --fresh")
    check_fit(objective.state_dict(), state)
    objective.load_state_dict(state)
