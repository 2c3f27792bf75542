"""Code that all kinds of encoders need: a device, a fingerprint, and errors that users can act on."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from audit.errors import AuditError, DataError, MachineError, UnsafeError, UsageError
from audit.types import ModelRecord

if TYPE_CHECKING:
    import numpy as np
    import torch
    from jaxtyping import Float

log = logging.getLogger("audit")
SCHEMA = 1
"""Part of every fingerprint. To be increased when an encoder computes other embeddings for the same model."""
SHOWN = 120
"""Maximum number of characters of a text in a message."""
DEFAULT_FIX = {
    DataError: "fetch or save the file again; --model reads CLIP and SigLIP, and others by name: open_clip:ARCH,FILE",
    UnsafeError: "ask its author for safetensors; no option reads it as it is",
}
"""The fix if an error of the reader has none."""
DTYPES = ("float32", "bfloat16", "float16")


def log_notes(record: ModelRecord) -> None:
    """Log the notes about a model; guesses, and an ignored adapter, are warnings."""
    for note in record.notes:
        log.log(logging.WARNING if str(note).lower().startswith(("guessed", "adapter")) else logging.INFO, "%s: %s", record.name, note)


def out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out, on an accelerator or on the host. By the message: checking the type would need torch."""
    words = ("out of memory", "not enough memory", "can't allocate memory")
    return isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and any(word in str(error).lower() for word in words))


def torch_setting(device: str, dtype: str) -> tuple[torch.device, torch.dtype]:
    """Device and dtype, after creating a tensor of that dtype on that device."""
    import torch

    if dtype not in DTYPES:
        raise UsageError(f"no dtype {dtype!r}", fix=f"choose one of {', '.join(DTYPES)}")
    try:
        torch_device = torch.device(device)
    except RuntimeError as error:
        raise UsageError(f"no device {device!r}", why=_first_line(error), fix="--device cpu, cuda, cuda:1 or mps") from error
    kind: torch.dtype = getattr(torch, dtype)
    try:
        torch.zeros(1, device=torch_device, dtype=kind)
    except (RuntimeError, AssertionError, NotImplementedError) as error:  # "Torch not compiled with CUDA enabled" is an AssertionError
        what = f"this machine has no device {device!r} that torch can use"
        raise MachineError(what, why=_first_line(error), fix="--device cpu") from error
    return torch_device, kind


def devices(named: str) -> list[str]:
    """The devices that ``cuda:0,cuda:1`` or ``cuda:all`` name; raises UsageError unless several are distinct GPUs.

    Examples
    --------
    >>> devices("cuda:1,cuda:0"), devices("mps")
    (['cuda:1', 'cuda:0'], ['mps'])
    """
    if named == "cuda:all":
        import torch

        return [f"cuda:{number}" for number in range(torch.cuda.device_count())] or ["cuda"]
    names = [name.strip() for name in named.split(",")]
    if len(names) > 1 and (len(set(names)) < len(names) or not all(name.startswith("cuda:") for name in names)):
        raise UsageError(f"invalid devices {named!r}", why="several are GPUs of this machine, each once", fix="--device cuda:0,cuda:1")
    return names


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0][:200]


def model_record(
    model: Any, decisive: Mapping[str, Any], *, sha256: str, dtype: str, device: torch.device, **described: Any
) -> ModelRecord:
    """The record of a torch model; `described` are fields to copy, the others are computed here.

    The fingerprint is the sha256 (hex) of everything that affects an embedding besides the image or text itself: `decisive` has
    architecture, preprocessing and tokenizer, with defaults made explicit. No path, name or date is included: the same model elsewhere is
    the same model, another one at the same path is another.
    """
    import PIL
    import torch

    release = {"torch": ".".join(torch.__version__.split(".")[:2]), "pillow": PIL.__version__.split(".")[0]}
    everything = {**decisive, **release, "schema": SCHEMA, "weights": sha256, "dtype": dtype, "device": device.type}
    return ModelRecord(
        fingerprint=hashlib.sha256(canonical(everything)).hexdigest(),
        sha256=sha256,
        parameters=sum(weight.numel() for weight in model.parameters()),
        dtype=dtype,
        **described,
    )


def scoring(model: Any) -> dict[str, Any]:
    """The fields of a record for how a model turns cosines into probabilities: like CLIP, or with a bias like SigLIP."""
    bias = None if model.logit_bias is None else float(model.logit_bias.detach().float())
    scale = float(model.logit_scale.detach().float().exp())
    return {"score_rule": "softmax" if bias is None else "sigmoid", "logit_scale": scale, "logit_bias": bias}


def untrained_record(record: ModelRecord, seed: int, scores: Mapping[str, Any]) -> ModelRecord:
    """The record of the same architecture with weights initialised from a seed, and its own fingerprint."""
    fingerprint = hashlib.sha256(f"untrained {seed} {record.fingerprint}".encode()).hexdigest()
    stated = {"name": f"{record.name}, untrained", "fingerprint": fingerprint, "sha256": "", "data_card": None, "step": None, "run": None}
    return replace(record, **{**stated, **scores})


def require_length(record: ModelRecord, shown: Sequence[str], tokens: Sequence[int], context: int) -> None:
    """Raise DataError if a text has more tokens than a model reads; `shown` are the texts for the message."""
    longest = max(range(len(tokens)), key=tokens.__getitem__)
    if tokens[longest] > context:
        why = f"it has {tokens[longest]} tokens and the model reads {context}; cutting it would ask another question"
        text = shown[longest] if len(shown[longest]) <= SHOWN else f"{shown[longest][:SHOWN]}…"
        what = f"a prompt is too long for {record.name}: {text}"
        longer = f"train with model.text.context={tokens[longest]} or more" if record.step is not None else "choose a model that reads more"
        raise DataError(what, why=why, fix=f"shorten the prompt, or {longer}")


def canonical(value: object) -> bytes:
    """JSON with sorted keys and no spaces: equal values give equal bytes."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), default=str).encode()


def projected(output: Any) -> torch.Tensor:
    """Projected features: transformers 5 returns an object that contains them, earlier versions and our own models the tensor itself."""
    features: torch.Tensor = getattr(output, "pooler_output", output)
    return features


def to_rows(features: torch.Tensor) -> Float[np.ndarray, "n d"]:
    """Features as float32 on the host."""
    rows: np.ndarray = features.float().cpu().numpy()
    return rows


@contextmanager
def located(shown: str) -> Iterator[None]:
    """Add the model's name, as typed, to errors of the reader; an invalid configuration in it is bad data, not wrong usage."""
    try:
        yield
    except AuditError as error:
        kind = DataError if isinstance(error, UsageError) else type(error)
        raise kind(error.what, where=error.where or shown, why=error.why, fix=error.fix or DEFAULT_FIX.get(kind)) from error
