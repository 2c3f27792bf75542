"""What every kind of encoder needs: a device, a fingerprint, and errors that a person can act on."""

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
"""Part of every fingerprint. To be raised when an encoder makes other embeddings of the same model."""
SHOWN = 120
"""Characters of a text that a message shows."""
DEFAULT_FIX = {
    DataError: "fetch or save the file again; --model reads CLIP and SigLIP, and others by name: open_clip:ARCH,FILE",
    UnsafeError: "ask its author for safetensors; no option reads it as it is",
}
"""The fix where an error of the reader names none."""
DTYPES = ("float32", "bfloat16", "float16")


def log_notes(record: ModelRecord) -> None:
    """Log what is noteworthy about a model; everything guessed, and an adapter left out, is a warning."""
    for note in record.notes:
        log.log(logging.WARNING if str(note).lower().startswith(("guessed", "adapter")) else logging.INFO, "%s: %s", record.name, note)


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
    """Return the devices that ``cuda:0,cuda:1`` or ``cuda:all`` name; UsageError unless several are GPUs, each once.

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
    """Return the record of a torch model; `described` are the fields that are stated, the others are counted and hashed here.

    The fingerprint is the sha256 (hex) of all that decides an embedding besides the image or text itself: `decisive` holds architecture,
    preprocessing and tokenizer, defaults spelled out. No path, name or date takes part: the same model elsewhere is the same model, another
    one in the same place is another.
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
    """Return the fields of a record that say how a model turns cosines into probabilities: CLIP's way, or with a bias SigLIP's."""
    bias = None if model.logit_bias is None else float(model.logit_bias.detach().float())
    scale = float(model.logit_scale.detach().float().exp())
    return {"score_rule": "softmax" if bias is None else "sigmoid", "logit_scale": scale, "logit_bias": bias}


def untrained_record(record: ModelRecord, seed: int, scores: Mapping[str, Any]) -> ModelRecord:
    """Return the record of the same architecture with weights drawn from a seed, and a fingerprint of its own."""
    fingerprint = hashlib.sha256(f"untrained {seed} {record.fingerprint}".encode()).hexdigest()
    stated = {"name": f"{record.name}, untrained", "fingerprint": fingerprint, "sha256": "", "data_card": None, "step": None, "run": None}
    return replace(record, **{**stated, **scores})


def require_length(record: ModelRecord, shown: Sequence[str], tokens: Sequence[int], context: int) -> None:
    """Refuse texts, given as they are shown, of which one has more tokens than a model reads."""
    longest = max(range(len(tokens)), key=tokens.__getitem__)
    if tokens[longest] > context:
        why = f"it has {tokens[longest]} tokens and the model reads {context}; cutting it would ask another question"
        text = shown[longest] if len(shown[longest]) <= SHOWN else f"{shown[longest][:SHOWN]}…"
        what = f"a prompt is too long for {record.name}: {text}"
        longer = f"train with model.text.context={tokens[longest]} or more" if record.step is not None else "choose a model that reads more"
        raise DataError(what, why=why, fix=f"shorten the prompt, or {longer}")


def canonical(value: object) -> bytes:
    """Return JSON with sorted keys and no blanks: equal values give equal bytes."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), default=str).encode()


def projected(output: Any) -> torch.Tensor:
    """Return projected features: transformers 5 gives an object that holds them, earlier versions and our own models the tensor itself."""
    features: torch.Tensor = getattr(output, "pooler_output", output)
    return features


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
