"""What an untrained twin of a model is called, and how its embeddings are told from the model's."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from audit.types import ModelRecord


def untrained_record(record: ModelRecord, seed: int, logit_scale: float, logit_bias: float | None) -> ModelRecord:
    """Return the record of the same architecture with weights drawn from a seed, and a fingerprint of its own."""
    return replace(
        record,
        name=f"{record.name}, untrained",
        fingerprint=hashlib.sha256(f"untrained {seed} {record.fingerprint}".encode()).hexdigest(),
        sha256="",
        logit_scale=logit_scale,
        logit_bias=logit_bias,
        data_card=None,
        step=None,
        run=None,
    )
