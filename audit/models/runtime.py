"""What every kind of encoder needs: a device, a fingerprint, and errors that a person can act on."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from audit.errors import AuditError, DataError, MachineError, UnsafeError, UsageError

if TYPE_CHECKING:
    import numpy as np
    import torch
    from jaxtyping import Float

    from audit.types import ModelRecord

log = logging.getLogger("audit")
SCHEMA = 1
"""Part of every fingerprint. To be raised when an encoder makes other embeddings of the same model."""
DEFAULT_FIX = {
    DataError: "fetch or save the file again; --model reads CLIP and SigLIP, and others by name: open_clip:ARCH,FILE",
    UnsafeError: "ask its author for safetensors; no option reads it as it is",
}
"""The fix where an error of the reader names none."""
DTYPES = ("float32", "bfloat16", "float16")


def log_notes(record: ModelRecord) -> None:
    """Log what is noteworthy about a model; everything guessed is a warning."""
    for note in record.notes:
        log.log(logging.WARNING if str(note).lower().startswith("guessed") else logging.INFO, "%s: %s", record.name, note)


def out_of_memory(error: BaseException) -> bool:
    """Tell whether memory ran out, on an accelerator or on the host. By its words: the type would have to be imported with torch."""
    words = ("out of memory", "not enough memory", "can't allocate memory")
    return isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and any(word in str(error).lower() for word in words))


def torch_setting(device: str, dtype: str) -> tuple[torch.device, torch.dtype]:
    """Return device and dtype, once a tensor of that dtype has really been on that device."""
    import torch

    if dtype not in DTYPES:
        raise UsageError(f"no dtype {dtype!r}", fix=f"choose one of {', '.join(DTYPES)}")
    try:
        place = torch.device(device)
    except RuntimeError as error:
        raise UsageError(
            f"no device {device!r}", why=str(error).partition("\n")[0][:200], fix="--device cpu, cuda, cuda:1 or mps"
        ) from error
    kind: torch.dtype = getattr(torch, dtype)
    try:
        torch.zeros(1, device=place, dtype=kind)
    except (RuntimeError, AssertionError, NotImplementedError) as error:  # "Torch not compiled with CUDA enabled" is an AssertionError
        why = str(error).partition("\n")[0][:200]
        raise MachineError(f"this machine has no device {device!r} that torch can use", why=why, fix="--device cpu") from error
    return place, kind


def model_fingerprint(
    *, weights: str, architecture: Mapping[str, Any], preprocessing: Mapping[str, Any], tokenizer: str, dtype: str, device: torch.device
) -> str:
    """Return the sha256 (hex) of all that decides an embedding besides the image or text itself; defaults are spelled out.

    No path, name or date takes part: the same model elsewhere is the same model, another one in the same place is another.
    """
    import PIL
    import torch

    decisive = {
        "schema": SCHEMA,
        "weights": weights,
        "architecture": architecture,
        "preprocessing": preprocessing,
        "tokenizer": tokenizer,
        "dtype": dtype,
        "torch": ".".join(torch.__version__.split(".")[:2]),
        "pillow": PIL.__version__.split(".")[0],
        "device": device.type,
    }
    return hashlib.sha256(canonical(decisive)).hexdigest()


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


def canonical(value: object) -> bytes:
    """Return JSON with sorted keys and no blanks: equal values give equal bytes."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), default=str).encode()


def to_rows(features: torch.Tensor) -> Float[np.ndarray, "n d"]:
    """Return features as float32 on the host."""
    rows: np.ndarray = features.float().cpu().numpy()
    return rows


@contextmanager
def located(shown: str) -> Iterator[None]:
    """Name the model, as it was typed, in errors of what is read inside; a wrong configuration in it is bad data, not wrong usage."""
    try:
        yield
    except AuditError as error:
        kind = DataError if isinstance(error, UsageError) else type(error)
        raise kind(error.what, where=error.where or shown, why=error.why, fix=error.fix or DEFAULT_FIX.get(kind)) from error
