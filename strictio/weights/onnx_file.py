"""An ONNX file, checked before anything runs it: built-in operators only, and weights that are in the file or beside it.

What runs is not the file but the graph that was checked, serialized again.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from strictio.errors import DataError, MachineError, UnsafeError
from strictio.files import open_file

if TYPE_CHECKING:
    from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, SparseTensorProto, TensorProto, ValueInfoProto

DOMAINS = ("", "ai.onnx", "ai.onnx.ml")
"""Sets of operators of the standard; all others are custom code."""
REPEATING = ("Loop", "Scan", "SequenceMap")
"""Operators that repeat a graph as often as the file says. Others that contain graphs are refused like them, except `If`."""
RUN = ("ir_version", "opset_import", "graph")
"""The fields of a model that are run; training, metadata and settings of onnxruntime are not."""
EXTERNAL = ("location", "offset", "length")
"""What is used of the description of external data."""
MOST_NODES, MOST_DEPTH, MOST_BYTES = 200_000, 20, 2**31 - 1
"""Operators of a graph with all its parts, parts within parts, and bytes of a file without its external data (the limit of its format)."""
MOST_NUMBERS, MOST_SIDES = 2**31, 64
"""Numbers and dimensions of an array of the graph, for one image or for the batch that the graph fixes: 8 GiB in float32."""
EXPORT = "export the model again with torch.onnx.export, or optimum-cli export onnx"
UNROLL = "export it with torch.onnx.export, without torch.jit.script: tracing unrolls loops of a fixed length"
INLINE = "export it without functions; or, for a file of your own, onnx.save(onnx.inliner.inline_local_functions(onnx.load(FILE)), NEW)"


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
    checked: bytes
    """The checked graph alone, serialized again: the only bytes to run."""


def check_onnx(path: Path) -> OnnxFile:
    """Read and check an ONNX file without running it.

    Raises UnsafeError for custom operators, local functions, loops, arrays that cannot be meant, and external data outside its folder;
    DataError for a damaged file; MachineError if the package onnx is not installed.
    """
    content = _content(path)
    model = _parsed(content, path)
    parameters, nodes, external = 0, 0, set()
    for part in _parts(model.graph, path):
        nodes += len(part.node)
        if nodes > MOST_NODES:
            raise UnsafeError("the graph has too many operators", where=str(path), why=f"more than {MOST_NODES:,}", fix=EXPORT)
        for node in part.node:
            _check_node(node, path)
        for tensor in _tensors(part):
            beside = _beside(tensor, path)
            parameters += _size(tensor, len(content) + (beside.stat().st_size if beside else 0), path)
            external |= {beside} if beside else set()
    weights = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in weights]
    files = tuple(sorted(external))
    file = OnnxFile(
        path, tuple(_tensor(value, path) for value in inputs), tuple(_tensor(value, path) for value in model.graph.output),
        {name: node.op_type for node in model.graph.node for name in node.output}, files, parameters, _sha256(content, files),
        model.SerializeToString(),
    )  # fmt: skip
    _check_arrays(model, path)  # last: it strips the model
    return file


def _content(path: Path) -> bytes:
    if not path.is_file():
        raise DataError(f"no such file: {path}", why="onnx: takes the path of a regular file", fix="--model onnx:model.onnx")
    if (size := path.stat().st_size) > MOST_BYTES:
        raise DataError("the ONNX file is too long", where=str(path), why=f"it has {size:,} bytes", fix="export it with external data")
    with open_file(path) as file:
        content = file.read(size)
    if content[4:8] == b"ORTM":
        why = "its bytes 5 to 8 are ORTM; onnxruntime's own format cannot be checked before it runs"
        fix = "give the .onnx file that it was made from"
        raise UnsafeError("the file is in onnxruntime's own format, not in ONNX", where=str(path), why=why, fix=fix)
    return content


def _parsed(content: bytes, path: Path) -> ModelProto:
    """The fields of a model that are run, without anything that onnx does not know."""
    try:
        import onnx
        from google.protobuf.message import DecodeError
    except ImportError as error:
        why = f"{error}; ONNX files are read with the packages onnx and onnxruntime"
        raise MachineError("the extra [onnx] is not installed", where=str(path), why=why, fix="pip install 'vlm-audit[onnx]'") from error
    try:
        model = onnx.load_model_from_string(content)
    except (DecodeError, ValueError, RecursionError) as error:
        raise DataError("this is not an ONNX file", where=str(path), why=str(error)[:200], fix=EXPORT) from error
    if not model.graph.node or not model.graph.output:
        raise DataError("the ONNX file has no graph", where=str(path), fix=EXPORT)
    if model.functions:
        names = ", ".join(function.name[:40] for function in model.functions[:3])
        more = f" and {len(model.functions) - 3:,} more" if len(model.functions) > 3 else ""
        why = f"{names}{more}; functions that call each other multiply the operators of a small file without limit"
        raise UnsafeError("the ONNX file has functions of its own", where=str(path), why=why, fix=INLINE)
    model.DiscardUnknownFields()
    for field, _ in model.ListFields():
        if field.name not in RUN:
            model.ClearField(field.name)
    return model


def _parts(graph: GraphProto, path: Path) -> Iterator[GraphProto]:
    """Yield the graph and all graphs inside its operators."""
    waiting = [(graph, 1)]
    while waiting:
        part, depth = waiting.pop()
        if depth > MOST_DEPTH:
            raise UnsafeError("graphs are nested too deeply", where=str(path), why=f"more than {MOST_DEPTH} levels", fix=EXPORT)
        yield part
        waiting += [(inner, depth + 1) for node in part.node for attribute in node.attribute for inner in _graphs(attribute)]


def _graphs(attribute: AttributeProto) -> list[GraphProto]:
    return [*attribute.graphs, *([attribute.g] if attribute.HasField("g") else [])]


def _check_node(node: NodeProto, path: Path) -> None:
    if node.domain not in DOMAINS:
        what = f"the ONNX file needs a custom operator: {node.domain[:80]}.{node.op_type[:80]}"
        why = "a custom operator is code of its author; only operators of the ONNX standard are run, and no option changes that"
        raise UnsafeError(what, where=str(path), why=why, fix=EXPORT)
    if node.op_type in REPEATING or (node.op_type != "If" and any(_graphs(attribute) for attribute in node.attribute)):
        what = f"the ONNX file repeats a part of its graph: operator {node.op_type[:80]}"
        raise UnsafeError(what, where=str(path), why="how often it repeats is decided by the file, so it may never end", fix=UNROLL)
    if any(attribute.name == "num_outputs" and attribute.i != len(node.output) for attribute in node.attribute):
        why = f"operator {node.op_type[:80]} has {len(node.output)} outputs and states another number"
        raise DataError("the graph of the ONNX file is inconsistent", where=str(path), why=why, fix=EXPORT)


def _tensors(part: GraphProto) -> Iterator[TensorProto]:
    """Yield the weights of a part, and those inside its operators."""
    yield from part.initializer
    for sparse in _sparse(part):
        yield from (sparse.values, sparse.indices)
    for node in part.node:
        for attribute in node.attribute:
            yield from attribute.tensors
            if attribute.HasField("t"):
                yield attribute.t


def _sparse(part: GraphProto) -> Iterator[SparseTensorProto]:
    yield from part.sparse_initializer
    for node in part.node:
        for attribute in node.attribute:
            yield from attribute.sparse_tensors
            if attribute.HasField("sparse_tensor"):
                yield attribute.sparse_tensor


def _size(tensor: TensorProto, stored: int, path: Path) -> int:
    """How many numbers a weight has; `stored`: how many bytes there are to hold them."""
    count = _count(f"the weight {tensor.name[:80]!r}", tensor.dims, path)
    if count > 4 * stored:  # the smallest types have four numbers in a byte
        why = f"it states {_rounded(count)} numbers, in {stored:,} bytes"
        raise DataError(f"the weight {tensor.name[:80]!r} is larger than its file", where=str(path), why=why, fix=EXPORT)
    return count


def _count(what: str, sides: Sequence[int], path: Path) -> int:
    if len(sides) > MOST_SIDES:
        why = f"{len(sides):,}, at most {MOST_SIDES} are allowed"
        raise DataError(f"{what} has too many dimensions", where=str(path), why=why, fix=EXPORT)
    if any(side < 0 for side in sides):
        raise DataError(f"{what} has a negative size", where=str(path), fix=EXPORT)
    return math.prod(sides)


def _rounded(count: int) -> str:
    return f"{count:,}" if count < 10**15 else f"over 10^{len(str(count)) - 1}"


def _beside(tensor: TensorProto, path: Path) -> Path | None:
    """The file of a weight's external data: a regular file in the same folder. None: the weight is in the ONNX file."""
    if not tensor.data_location:
        tensor.ClearField("external_data")
        return None
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
    del tensor.external_data[:]  # of a key that is repeated the last value counts, and onnxruntime has keys of its own
    for key in EXTERNAL:
        if key in stated:
            tensor.external_data.add(key=key, value=stated[key])
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


def _tensor(value: ValueInfoProto, path: Path) -> OnnxTensor:
    import onnx

    kind = value.type.tensor_type
    if kind.elem_type not in onnx.TensorProto.DataType.values():
        why = f"{value.name[:80]!r} has the type {kind.elem_type}"
        raise DataError("the ONNX file states a type that does not exist", where=str(path), why=why, fix=EXPORT)
    shape = tuple(side.dim_value if side.HasField("dim_value") and side.dim_value > 0 else None for side in kind.shape.dim)
    return OnnxTensor(value.name, onnx.TensorProto.DataType.Name(kind.elem_type), shape)


def _check_arrays(model: ModelProto, path: Path) -> None:
    """Raise UnsafeError if an array of the graph is too large, as far as the sizes follow from constants in the file.

    Sizes that the graph itself computes are not seen. Strips the model of all that sizes do not depend on.
    """
    import onnx

    for part in _parts(model.graph, path):
        for sparse in _sparse(part):
            _check_array("a sparse weight", sparse.dims, path)
    _flatten(model.graph)
    _strip(model.graph)
    try:
        graph = onnx.shape_inference.infer_shapes(model).graph
    except Exception as error:  # the classes of onnx's C++ code share no other class
        why = " ".join(str(error).split())[:200]
        raise DataError("the graph of the ONNX file is inconsistent", where=str(path), why=why, fix=EXPORT) from error
    makers = {name: node.op_type for node in model.graph.node for name in node.output}
    for value in (*graph.value_info, *graph.output):
        sides = [max(side.dim_value, 1) for side in value.type.tensor_type.shape.dim]  # 0: unknown
        _check_array(f"an output of operator {makers.get(value.name, '')[:80]}", sides, path)


def _check_array(what: str, sides: Sequence[int], path: Path) -> None:
    if (count := _count(what, sides, path)) > MOST_NUMBERS:
        why = f"{what} has {_rounded(count)} numbers; at most {MOST_NUMBERS:,} are allowed"
        raise UnsafeError("the ONNX file asks for an array that is too large", where=str(path), why=why, fix=EXPORT)


def _flatten(graph: GraphProto) -> None:
    """Append the operators of all branches to those of the graph, whose arrays they read."""
    at = 0
    while at < len(graph.node):  # it grows
        for attribute in graph.node[at].attribute:
            for inner in _graphs(attribute):
                graph.node.extend(inner.node)
                graph.initializer.extend(inner.initializer)
            attribute.ClearField("g")
            attribute.ClearField("graphs")
        at += 1


def _strip(graph: GraphProto) -> None:
    """Take one image, and leave out stated sizes and weights: sizes depend on small arrays only."""
    for tensor in _tensors(graph):
        if math.prod(tensor.dims) > 256:
            for field, _ in tensor.ListFields():
                if field.name not in ("name", "dims", "data_type"):
                    tensor.ClearField(field.name)
    graph.ClearField("value_info")
    for value in graph.output:
        value.type.tensor_type.ClearField("shape")
    for value in graph.input:
        sides = value.type.tensor_type.shape.dim
        if sides and sides[0].dim_value <= 0:
            sides[0].dim_value = 1


def _sha256(content: bytes, files: tuple[Path, ...]) -> str:
    digest = hashlib.sha256(content)
    for path in files:
        with open_file(path) as file:
            hashlib.file_digest(file, lambda: digest)
    return digest.hexdigest()
