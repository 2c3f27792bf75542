"""From what a file holds to the weights of one model by their own names: tables opened, wrappers' prefixes taken off, leftovers named.

Trainers put a state dict into a table beside the optimiser's state, and wrappers (DDP, ``torch.compile``, Lightning) put their own names in
front of, or between, the model's. What is taken off or left out is said, never passed over.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from strictio.errors import DataError
from strictio.weights.adapter import without_adapter
from strictio.weights.torch_file import flatten

TABLES = ("state_dict", "model", "module", "model_state_dict", "state_dict_ema")  # of state dicts, in order of preference
INSIDE = ("_orig_mod", "module", "_modules", "_parameters", "_buffers")
"""By ``torch.compile``, by DDP, and in a module that was pickled whole; anywhere in a name. No part of a model is called so."""
TOWERS = frozenset({"visual", "text", "transformer", "vision_model", "text_model", "params", "img", "txt"})
"""First parts of names that are the model's own, even where every name begins so."""
SCALARS = ("input_resolution", "context_length", "vocab_size")  # buffers of OpenAI's archives
DERIVED = ("position_ids", "attn_mask")  # computed from sizes; some files hold them
STATE = "save the model's weights where it was trained: torch.save(model.state_dict(), FILE)"
FLAT = ("_flat_param", "_fsdp_wrapped_module")


@dataclass(frozen=True)
class Weights:
    """The tensors of one model."""

    tensors: dict[str, Tensor]
    scalars: dict[str, int]  # OpenAI's buffers that say sizes; only their own archives have all three
    wrapped: bool  # whether they stood in a table of a trainer's file
    run: str | None = None  # what the trainer called its run; open_clip puts the architecture's name into it
    notes: tuple[str, ...] = ()  # what was taken off or left out, a sentence each

    @property
    def from_openai(self) -> bool:
        """Whether the file is one of OpenAI's own archives: only these have all three size buffers."""
        return set(self.scalars) == set(SCALARS)


def unwrap(data: Any, prefer: str | None = None, adapter: str | None = None) -> Weights:
    """Return the weights in a file's nested tables.

    `data`: untrusted. Only tensors are looked at; `prefer`: the table to take, where the file has several (``"state_dict_ema"``);
    `adapter`: ``"ignore"`` to leave one out. Raises `DataError` if the table is missing, without a tensor, two weights of one name, or the
    weights are FSDP1's flattened ones or hold an adapter.
    """
    table, path, notes = _open_tables(data, prefer)
    tensors = flatten(table)
    if not tensors:
        raise DataError("the file holds no tensors in tables", why="a model's weights are tensors by name", fix=STATE)
    if flat := [name for name in tensors if any(part in name for part in FLAT)]:
        why = f"{flat[0][:80]!r} holds many weights in one row, perhaps one process's share only: names and shapes are not in the file"
        fix = "save it again where it was trained, as a full state dict: get_model_state_dict with full_state_dict=True"
        raise DataError("the weights are flattened by FSDP", why=why, fix=fix)
    tensors, left = without_adapter(tensors, adapter is not None)
    if left:
        notes = [*notes, f"Adapter (LoRA) ignored: {len(left)} of its tensors were left out, such as {left[0][:80]!r}."]
    tensors, renamed = _rename(tensors)
    scalars = {name: int(tensors[name]) for name in SCALARS if name in tensors and tensors[name].numel() == 1}
    kept = {name: tensor for name, tensor in tensors.items() if name not in SCALARS and name.rpartition(".")[2] not in DERIVED}
    dropped = Counter(name.rpartition(".")[2] for name in tensors if name not in kept)
    if dropped:
        listed = ", ".join(f"{name} ({count})" for name, count in sorted(dropped.items()))
        notes = [*notes, f"Left out because it follows from the sizes: {listed}."]
    run = data.get("name") if path else None
    return Weights(kept, scalars, bool(path), run[:120] if isinstance(run, str) else None, (*notes, *renamed))


def tables(tensors: Mapping[str, Tensor]) -> dict[str, Any]:
    """Return flat names as nested tables again, where a file of tensors (a salvaged one) has a trainer's tables in its names."""
    starts = [f"{name}." if "state_dict" in name else f"{name}._modules." for name in TABLES]  # the latter a module pickled whole
    inner = [name for name, start in zip(TABLES, starts, strict=True) if any(tensor.startswith(start) for tensor in tensors)]
    nested: dict[str, Any] = {name: {} for name in inner}
    for name, tensor in tensors.items():
        first, _, rest = name.partition(".")
        table, key = (nested[first], rest) if first in inner else (nested, name)
        table[key] = tensor
    return nested


def _open_tables(data: Any, prefer: str | None) -> tuple[dict[Any, Any], list[str], list[str]]:
    if not isinstance(data, dict):
        raise DataError("the file holds no table of tensors", why=f"it holds a value of type {type(data).__name__}", fix=STATE)
    path: list[str] = []
    notes: list[str] = []
    if prefer is not None and not _is_table(data.get(prefer)):
        have = ", ".join(name for name in TABLES if _is_table(data.get(name))) or "none"
        why = f"tables of weights that it has: {have}"
        raise DataError(f"the file has no table {prefer[:80]!r}", why=why, fix="--model-args weights=NAME")
    while len(path) < 4 and (names := [name for name in TABLES if _is_table(data.get(name))]):  # a table can hold itself
        chosen = prefer if prefer in names else names[0]
        path.append(chosen)
        if others := ", ".join(name for name in names if name != chosen):
            notes.append(f"Guessed: the weights under {chosen!r} are meant; the file also has {others} (--model-args weights=NAME).")
        data = data[chosen]
    if path:
        notes.insert(0, f"The weights are in {'.'.join(path)!r} of a trainer's file; nothing else of it was used.")
    return data, path, notes


def _is_table(value: Any) -> bool:
    return isinstance(value, dict) and bool(value)


def _rename(tensors: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], list[str]]:
    """Take wrappers' parts out of the names."""
    names = {name: name.split(".") for name in tensors}
    taken: Counter[str] = Counter()
    for parts in names.values():
        taken.update(part for part in parts[:-1] if part in INSIDE)
        parts[:-1] = [part for part in parts[:-1] if part not in INSIDE]
    while (first := _common_first(names.values())) is not None:
        taken[first] += len(names)
        for parts in names.values():
            del parts[0]
    renamed = {".".join(parts): tensors[name] for name, parts in names.items()}
    if len(renamed) < len(tensors):
        why = f"prefixes: {', '.join(taken)}"
        raise DataError("two weights have the same name once a wrapper's prefixes are taken off", why=why, fix=STATE)
    return renamed, [f"Taken off the names of {count} weights: {part!r}." for part, count in taken.items()]


def _common_first(names: Any) -> str | None:
    """Return the part that every name begins with, if it is not the model's own."""
    firsts = {parts[0] for parts in names if len(parts) > 1} | {"" for parts in names if len(parts) == 1}
    first = firsts.pop() if len(firsts) == 1 else ""
    return first if first and first not in TOWERS else None
