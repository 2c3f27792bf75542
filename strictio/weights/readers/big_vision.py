"""big_vision's ``.npz`` files (SigLIP): arrays mapped without unpickling, renamed to those of transformers' `SiglipModel`.

JAX keeps matrices the other way round, splits heads into an axis of their own, and may stack all blocks of a tower in one array. Only
big_vision's two-tower models with a pooling head (SigLIP) have a counterpart; what others have instead is reported.

Source: google-research/big_vision, models/vit.py and models/proj/image_text; Zhai et al. 2023, https://arxiv.org/abs/2303.15343
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from math import prod
from pathlib import Path

import torch
from torch import Tensor

from strictio.errors import DataError, UnsafeError
from strictio.weights.archive import Entry, Zip, open_zip
from strictio.weights.contents import Contents
from strictio.weights.torch_file import MAX_BYTES, MAX_TENSORS, check_finite, located, mapped

SUFFIXES = (".npz",)
KIND = "big_vision npz file"
MAX_HEADER = 4096
_SHAPE = rb"(\d{1,15}(, \d{1,15}){0,15},?)?"
HEADER = re.compile(
    rb"\{'descr': '(?P<kind>[<>|=]\w{1,4})', 'fortran_order': (?P<fortran>True|False), 'shape': \((?P<shape>" + _SHAPE + rb")\), \}\s*"
)
KINDS = {"<f8": torch.float64, "<f4": torch.float32, "<f2": torch.float16, "|V2": torch.bfloat16, "<i4": torch.int32, "<i8": torch.int64}
"""Types of arrays that hold weights; JAX writes bfloat16 as two raw bytes."""
TOWERS = {"img": ("vision_model", "Transformer"), "txt": ("text_model", "Encoder_0")}  # its name in transformers, where its blocks are
PLAIN = {
    "t": "logit_scale", "b": "logit_bias",
    "img/embedding/kernel": "vision_model.embeddings.patch_embedding.weight",
    "img/embedding/bias": "vision_model.embeddings.patch_embedding.bias",
    "img/pos_embedding": "vision_model.embeddings.position_embedding.weight",
    "img/Transformer/encoder_norm/scale": "vision_model.post_layernorm.weight",
    "img/Transformer/encoder_norm/bias": "vision_model.post_layernorm.bias",
    "img/MAPHead_0/probe": "vision_model.head.probe",
    "txt/Embed_0/embedding": "text_model.embeddings.token_embedding.weight",
    "txt/pos_embedding": "text_model.embeddings.position_embedding.weight",
    "txt/Encoder_0/encoder_norm/scale": "text_model.final_layer_norm.weight",
    "txt/Encoder_0/encoder_norm/bias": "text_model.final_layer_norm.bias",
    "txt/head/kernel": "text_model.head.weight", "txt/head/bias": "text_model.head.bias",
}  # fmt: skip
PARTS = {"LayerNorm_0": "layer_norm1", "LayerNorm_1": "layer_norm2", "MlpBlock_0/Dense_0": "mlp.fc1", "MlpBlock_0/Dense_1": "mlp.fc2"}
HEAD_PARTS = {"LayerNorm_0": "layernorm", "MlpBlock_0/Dense_0": "mlp.fc1", "MlpBlock_0/Dense_1": "mlp.fc2"}
ATTENTION = "MultiHeadDotProductAttention_0"
BLOCKS = ("img/MAPHead_0/", *(f"{tower}/{blocks}/encoderblock" for tower, (_, blocks) in TOWERS.items()))
LACKING = {  # beginning of a name -> what SigLIP does not have
    "img/cls": "its image tower has a class token",
    "img/head/kernel": "its image tower has a projection of its own",
    "txt/BertModel_0": "its text tower is BERT",
}


def read(path: Path) -> Contents:
    """Return the arrays by big_vision's own names without ``params/``: views of the file; nothing is unpickled, nothing decompressed.

    Raises `DataError` if it is another kind of file, damaged, or holds NaN or infinite weights; `UnsafeError` if it holds Python objects
    (pickles) or compressed arrays, or declares more than it holds.
    """
    with located(path):
        archive = open_zip(path, MAX_BYTES, rooted=False)
        names = [name for name in archive.entries if name.endswith(".npy")]
        names = [name for name in names if name.startswith("params/")] or names  # beside them a trainer keeps its optimiser
        if not names or len(names) > MAX_TENSORS:
            raise DataError("the file holds no arrays", why=f"its entries begin with {', '.join(list(archive.entries)[:5])}")
        tensors = {name.removesuffix(".npy").removeprefix("params/"): _array(archive, archive.entries[name]) for name in names}
        for name in names:
            archive.verify(name)
            archive.release()
        check_finite(tensors)
    return Contents(tensors, KIND, archive.sha256())


def to_siglip(arrays: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], tuple[int, int]]:
    """Return the weights by the names of transformers' `SiglipModel`, and both towers' attention heads; `DataError` if not a SigLIP."""
    _require_siglip(arrays)
    state = {PLAIN[name]: _shaped(PLAIN[name], array) for name, array in arrays.items() if name in PLAIN}
    heads: list[int] = []
    for tower, (renamed, prefix) in TOWERS.items():
        blocks = _blocks(arrays, f"{tower}/{prefix}/")
        heads.append(_heads(blocks[0], tower))
        for number, block in enumerate(blocks):
            state |= _block(block, f"{renamed}.encoder.layers.{number}", PARTS)
    pooled = _block(_within(arrays, "img/MAPHead_0/"), "vision_model.head", HEAD_PARTS)
    for kind in ("weight", "bias"):
        pieces = [pooled.pop(f"vision_model.head.self_attn.{part}_proj.{kind}") for part in "qkv"]
        state[f"vision_model.head.attention.in_proj_{kind}"] = torch.cat(pieces)
        state[f"vision_model.head.attention.out_proj.{kind}"] = pooled.pop(f"vision_model.head.self_attn.out_proj.{kind}")
    return state | pooled, (heads[0], heads[1])


def _within(arrays: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}


def _heads(block: Mapping[str, Tensor], tower: str) -> int:
    query = block.get(f"{ATTENTION}/query/kernel")
    if query is None or query.ndim != 3:
        raise DataError(f"the first block of {tower} has no query of three axes")
    return query.shape[1]


def _require_siglip(arrays: Mapping[str, Tensor]) -> None:
    has = [why for start, why in LACKING.items() if any(name.startswith(start) for name in arrays)]
    pooling = (f"img/MAPHead_0/{ATTENTION}/{part}/{kind}" for part in ("query", "key", "value", "out") for kind in ("kernel", "bias"))
    missing = [name for name in (*PLAIN, *pooling) if name not in arrays]
    has += [f"SigLIP has nothing like its {name[:80]!r}" for name in arrays if name not in PLAIN and not name.startswith(BLOCKS)][:5]
    if has or missing:
        lacks = [f"missing: {', '.join(missing[:5])}{', ...' if len(missing) > 5 else ''}"] if missing else []
        why = "; ".join([*has, *lacks, f"the file's first are {', '.join(name[:80] for name in list(arrays)[:5])}"])
        fix = "convert it to the Hugging Face layout with transformers, where that has the architecture"
        raise DataError("the arrays are not a SigLIP model of big_vision", why=why, fix=fix)


def _blocks(arrays: Mapping[str, Tensor], start: str) -> list[dict[str, Tensor]]:
    """Return each block's arrays by their names within the block."""
    if stacked := _within(arrays, f"{start}encoderblock/"):
        depths = {array.shape[0] if array.ndim else 0 for array in stacked.values()}
        if len(depths) != 1:
            raise DataError(f"the arrays of {start}encoderblock are stacked to several depths", why=str(sorted(depths)))
        return [{name: array[number] for name, array in stacked.items()} for number in range(depths.pop())]
    pattern = re.compile(re.escape(start) + r"encoderblock_(\d{1,4})/(.+)")
    blocks: dict[int, dict[str, Tensor]] = {}
    for name, array in arrays.items():
        if match := pattern.fullmatch(name):
            blocks.setdefault(int(match[1]), {})[match[2]] = array
    if sorted(blocks) != list(range(len(blocks))) or not blocks:
        raise DataError(f"the blocks of {start} are not numbered from 0 without gap", why=f"found {sorted(blocks)[:20]}")
    return [blocks[number] for number in range(len(blocks))]


def _block(arrays: Mapping[str, Tensor], prefix: str, parts: Mapping[str, str]) -> dict[str, Tensor]:
    state: dict[str, Tensor] = {}
    for name, array in arrays.items():
        part, _, kind = name.rpartition("/")
        if part in parts:
            state[f"{prefix}.{parts[part]}.{'bias' if kind == 'bias' else 'weight'}"] = array.t() if kind == "kernel" else array
        elif part.startswith(f"{ATTENTION}/"):
            state |= _attention(part.rpartition("/")[2], kind, array, f"{prefix}.self_attn")
        elif name != "probe":
            raise DataError(f"the array {name[:80]!r} of {prefix} has no counterpart in SigLIP")
    return state


def _attention(role: str, kind: str, array: Tensor, prefix: str) -> dict[str, Tensor]:
    """Merge heads: [width, heads, d] for query, key and value, [heads, d, width] for what comes out."""
    if array.ndim != {"kernel": 3, "bias": 1 if role == "out" else 2}.get(kind):
        raise DataError(f"the array {role}/{kind} of {prefix} has {array.ndim} axes")
    name = f"{prefix}.{'out' if role == 'out' else role[0]}_proj"
    if kind == "bias":
        return {f"{name}.bias": array.flatten()}
    return {f"{name}.weight": (array.flatten(0, -2) if role == "out" else array.flatten(1)).t()}


def _shaped(name: str, array: Tensor) -> Tensor:
    """Return an array outside the blocks in the shape that transformers gives it."""
    if name.endswith("patch_embedding.weight"):
        return array.permute(3, 2, 0, 1) if array.ndim == 4 else array
    if name.endswith("position_embedding.weight"):
        return array.flatten(0, -2)
    if name == "text_model.head.weight":
        return array.t()
    return array.reshape(1) if name in ("logit_scale", "logit_bias") and array.numel() == 1 else array


def _array(archive: Zip, entry: Entry) -> Tensor:
    """Map one ``.npy`` entry. Its header is Python's notation; one fixed form of it is understood, nothing is evaluated."""
    begin = archive.content[entry.start : min(entry.end, entry.start + MAX_HEADER)]
    length = 10 if begin[6:7] == b"\x01" else 12
    size = int.from_bytes(begin[8:length], "little")
    header = HEADER.fullmatch(begin[length : length + size]) if begin.startswith(b"\x93NUMPY") else None
    if header is None:
        raise DataError(f"the array {entry.name[:80]!r} is damaged or holds no weights", why="its header is not that of plain numbers")
    kind, fortran = header["kind"].decode(), header["fortran"] == b"True"
    if kind == "|O":
        raise UnsafeError(f"the array {entry.name[:80]!r} holds Python objects", why="they are pickled: reading them would run the file")
    shape = [int(number) for number in header["shape"].split(b",") if number.strip()]
    if kind not in KINDS or (fortran and len(shape) > 1):
        raise DataError(f"the array {entry.name[:80]!r} holds no weights", why=f"its type is {kind}")
    dtype, start = KINDS[kind], entry.start + length + size
    if prod(shape) * dtype.itemsize != entry.end - start:
        raise UnsafeError(f"the array {entry.name[:80]!r} declares another size than it has")
    if prod(shape) == 0:
        return torch.empty(shape, dtype=dtype)
    return mapped(archive, start, prod(shape), dtype).reshape(shape)
