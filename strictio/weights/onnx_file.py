"""An ONNX file, checked before anything runs it: built-in operators only, and weights that are in the file or beside it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from strictio.errors import DataError, MachineError, UnsafeError

if TYPE_CHECKING:
    from onnx import GraphProto, NodeProto, TensorProto

DOMAINS = ("", "ai.onnx", "ai.onnx.ml")
"""Sets of operators of the standard; all others are custom code."""
UNBOUNDED = ("Loop", "Scan", "SequenceMap")
"""Operators that repeat a part of the graph as often as the file says; a classifier of images needs none."""
MOST_NODES, MOST_DEPTH, MOST_BYTES = 200_000, 20, 2**31 - 1
"""Operators of a graph with all its parts, parts within parts, and bytes of a file without its external data (the limit of its format)."""
ORT_FORMAT = b"ORTM"
"""What onnxruntime takes for a file of its own format, from the fifth byte on."""
EXPORT = "export the model again with torch.onnx.export, or optimum-cli export onnx"


@dataclass(frozen=True)
class OnnxTensor:
    """An input or output of a graph."""

    name: str
    dtype: str
    """As in ``"FLOAT"``."""
    shape: tuple[int | None, ...]
    """None: any size."""


@dataclass(frozen=True)
class OnnxFile:
    """What a checked file says."""

    path: Path
    inputs: tuple[OnnxTensor, ...]
    outputs: tuple[OnnxTensor, ...]
    last: Mapping[str, str]
    """output -> the operator that computes it."""
    external: tuple[Path, ...]
    """Files beside it that hold weights."""
    parameters: int
    sha256: str
    """Of the file and of its external data, in the order of their names."""
    checked: bytes = field(repr=False)
    """The graph that was checked, written again: what runs it is given these bytes, since another parser may read the file otherwise."""


def check_onnx(path: Path) -> OnnxFile:
    """Read and check an ONNX file without running it.

    Raises UnsafeError for custom operators, functions, loops and external data outside its folder; DataError for a damaged file;
    MachineError if the package onnx is not installed.
    """
    model = _parsed(path)
    if model.functions:
        why = "a function may call others twice, so a few kilobytes may stand for more operators than any machine can run"
        fix = "onnx.inliner.inline_local_functions writes the file without functions"
        raise UnsafeError(f"the ONNX file defines functions: {model.functions[0].name[:80]}", where=str(path), why=why, fix=fix)
    parameters, nodes, external = 0, 0, set()
    for part in _parts(model.graph, path):
        for node in part.node:
            nodes += 1
            _check_node(node, path)
        if nodes > MOST_NODES:
            raise UnsafeError("the graph has too many operators", where=str(path), why=f"more than {MOST_NODES:,}", fix=EXPORT)
        for tensor in _tensors(part):
            parameters += _size(tensor, path)
            external |= {_beside(tensor, path)} if tensor.data_location else set()
    weights = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in weights]
    files = tuple(sorted(external))
    return OnnxFile(
        path, tuple(map(_tensor, inputs)), tuple(map(_tensor, model.graph.output)),
        {name: node.op_type for node in model.graph.node for name in node.output}, files, parameters, _sha256((path, *files)),
        _written(model, path),
    )  # fmt: skip


def _parsed(path: Path) -> Any:
    try:
        import onnx
        from google.protobuf.message import DecodeError
    except ImportError as error:
        why = f"{error}; ONNX files are read with the packages onnx and onnxruntime"
        raise MachineError("the extra [onnx] is not installed", where=str(path), why=why, fix="pip install 'vlm-audit[onnx]'") from error
    if not path.is_file():
        raise DataError(f"no such file: {path}", why="onnx: takes the path of a regular file", fix="--model onnx:model.onnx")
    if (size := path.stat().st_size) > MOST_BYTES:
        raise DataError("the ONNX file is too long", where=str(path), why=f"it has {size:,} bytes", fix="export it with external data")
    with path.open("rb") as file:
        if file.read(8)[4:] == ORT_FORMAT:
            raise UnsafeError("this is onnxruntime's own format, not ONNX", where=str(path), why="its graph cannot be checked", fix=EXPORT)
    try:
        model = onnx.load_model(path, format="protobuf", load_external_data=False)
    except (DecodeError, ValueError, RecursionError) as error:
        raise DataError("this is not an ONNX file", where=str(path), why=str(error)[:200], fix=EXPORT) from error
    if not model.graph.node or not model.graph.output:
        raise DataError("the ONNX file has no graph", where=str(path), fix=EXPORT)
    return model


def _written(model: Any, path: Path) -> bytes:
    """The bytes of a parsed model, without fields that its format does not know."""
    model.DiscardUnknownFields()
    content: bytes = model.SerializeToString()
    if content[4:8] == ORT_FORMAT:
        raise UnsafeError("this is onnxruntime's own format, not ONNX", where=str(path), why="its graph cannot be checked", fix=EXPORT)
    return content


def _parts(graph: GraphProto, path: Path) -> Iterator[GraphProto]:
    """Yield the graph, and all graphs inside its operators."""
    waiting: list[tuple[Any, int]] = [(graph, 1)]
    while waiting:
        part, depth = waiting.pop()
        if depth > MOST_DEPTH:
            raise UnsafeError("graphs are nested too deeply", where=str(path), why=f"more than {MOST_DEPTH} levels", fix=EXPORT)
        yield part
        for node in part.node:
            for attribute in node.attribute:
                inner = [*attribute.graphs, *([attribute.g] if attribute.HasField("g") else [])]
                waiting += [(graph, depth + 1) for graph in inner]


def _check_node(node: NodeProto, path: Path) -> None:
    if node.domain not in DOMAINS:
        what = f"the ONNX file needs a custom operator: {node.domain[:80]}.{node.op_type[:80]}"
        why = "a custom operator is code of its author; only operators of the ONNX standard are run, and no option changes that"
        raise UnsafeError(what, where=str(path), why=why, fix=EXPORT)
    if node.op_type in UNBOUNDED:
        why = "how often it repeats is decided by the file, so it may never end"
        raise UnsafeError(f"the ONNX file repeats a part of its graph: operator {node.op_type}", where=str(path), why=why, fix=EXPORT)


def _tensors(part: Any) -> Iterator[TensorProto]:
    """Yield the weights of a part, and those inside its operators."""
    yield from getattr(part, "initializer", ())
    for sparse in getattr(part, "sparse_initializer", ()):
        yield from (sparse.values, sparse.indices)
    for node in part.node:
        for attribute in node.attribute:
            yield from attribute.tensors
            if attribute.HasField("t"):
                yield attribute.t
            for sparse in (*attribute.sparse_tensors, *([attribute.sparse_tensor] if attribute.HasField("sparse_tensor") else [])):
                yield from (sparse.values, sparse.indices)


def _size(tensor: TensorProto, path: Path) -> int:
    count = 1
    for side in tensor.dims:
        if side < 0:
            raise DataError(f"the weight {tensor.name[:80]!r} has a negative size", where=str(path), fix=EXPORT)
        count *= side
    return count


def _beside(tensor: TensorProto, path: Path) -> Path:
    """The file of a weight's external data: a regular file in the same folder."""
    stated: dict[str, str] = {entry.key: entry.value for entry in tensor.external_data}
    name = stated.get("location", "")
    file = path.parent / name
    if name != Path(name).name or name in ("", "..") or "\0" in name or "\\" in name:
        what = f"external data outside the folder of the ONNX file: {name[:200]!r}"
        raise UnsafeError(what, where=str(path), why="weights are read only from files beside it", fix=EXPORT)
    if file.is_symlink() and not file.resolve().is_relative_to(path.parent.resolve()):
        raise UnsafeError(f"the link {name} leaves the folder of the ONNX file", where=str(path), fix="copy the file itself")
    if not file.is_file():
        raise DataError(f"the external data of the ONNX file are missing: {name[:200]}", where=str(path), fix="copy it beside the file")
    _check_extent(stated, file, path)
    return file


def _check_extent(stated: Mapping[str, str], file: Path, path: Path) -> None:
    """Raise DataError unless a weight's bytes are inside its file."""
    try:
        offset, length = (int(stated.get(key) or 0) for key in ("offset", "length"))
    except ValueError:
        offset = length = -1
    if min(offset, length) < 0 or offset + length > file.stat().st_size:
        why = f"offset {stated.get('offset', '0')[:30]}, length {stated.get('length', '0')[:30]}; it has {file.stat().st_size:,} bytes"
        raise DataError(f"a weight is not inside {file.name}", where=str(path), why=why, fix=EXPORT)


def _tensor(value: Any) -> OnnxTensor:
    import onnx

    kind = value.type.tensor_type
    shape = tuple(side.dim_value if side.HasField("dim_value") and side.dim_value > 0 else None for side in kind.shape.dim)
    return OnnxTensor(value.name, onnx.TensorProto.DataType.Name(kind.elem_type), shape)


def _sha256(files: tuple[Path, ...]) -> str:
    digest = hashlib.sha256()
    for path in files:
        with path.open("rb") as file:
            hashlib.file_digest(file, lambda: digest)
    return digest.hexdigest()
