"""Hostile files of each kind with the checks before their libraries taken out: the child ends what they do, and the message is plain.

Limits are a fraction of the real ones, so that files may be small. Only what a check refuses today is here: what it would otherwise do.
"""

import io
import struct
import time
import zipfile
import zlib
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, processors
from transformers import PreTrainedTokenizerFast

from strictio.child.process import Child, shared_child
from strictio.errors import MachineError, UnsafeError
from strictio.images import decoders as pool
from strictio.images.decode import UnreadableImage, decode
from strictio.model_folders import tokenizers as texts
from strictio.tables import parquet, workbook
from strictio.weights import onnx_session

MEMORY, SECONDS = 2**27, 1.0
BUSY_S = 40.0
"""Within which a case has to end on a machine with other work to do; most take one second."""


@pytest.fixture(autouse=True)
def _ends_in_time():
    began = time.monotonic()
    yield
    assert time.monotonic() - began < BUSY_S


# ---- images ------------------------------------------------------------------------------------------------------------------------------


def chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def blank_png(side, bits=8, colour=0):
    samples = {0: 1, 2: 3, 6: 4}[colour]
    packer, row = zlib.compressobj(1), bytes(1 + side * samples * bits // 8)
    content = b"".join(packer.compress(row) for _ in range(side)) + packer.flush()
    header = struct.pack(">IIBBBBB", side, side, bits, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", content) + chunk(b"IEND", b"")


def saved(kind, side, mode="L", **options):
    buffer = io.BytesIO()
    Image.new(mode, (side, side)).save(buffer, kind, **options)
    return buffer.getvalue()


def scans(side, times):
    """A progressive JPEG of which the last scan comes again and again."""
    whole = saved("JPEG", side, progressive=True)
    at = whole.rindex(b"\xff\xda")
    return whole[:at] + whole[at:-2] * times + whole[-2:]


IMAGES = {
    "a PNG of 144 megapixels": lambda: blank_png(12_000),
    "a PNG of 64 megapixels in colour": lambda: blank_png(8_000, colour=2),
    "a PNG of 81 megapixels of 16 bits": lambda: blank_png(9_000, bits=16),
    "a transparent PNG of 64 megapixels": lambda: blank_png(8_000, colour=6),
    "a GIF that says 900 megapixels": lambda: b"GIF89a" + struct.pack("<HHBBB", 30_000, 30_000, 0x80, 0, 0) + bytes(6)
    + b"," + struct.pack("<HHHHB", 0, 0, 30_000, 30_000, 0) + b"\x02\x02\x44\x01\x00;",
    "a BMP that says 900 megapixels": lambda: b"BM" + struct.pack("<IHHI", 2_000, 0, 0, 54)
    + struct.pack("<IiiHHIIiiII", 40, 30_000, 30_000, 1, 24, 0, 0, 0, 0, 0, 0) + bytes(2_000),
    "a TIFF of 144 megapixels": lambda: saved("TIFF", 12_000, compression="tiff_adobe_deflate"),
    "a WebP of 64 megapixels": lambda: saved("WEBP", 8_000, "RGB", lossless=True, quality=0, method=0),
    "a JPEG of 20,000 scans": lambda: scans(4_000, 20_000),
}  # fmt: skip

WITHOUT_REASON = "a WebP of 64 megapixels"
"""Its library gets no memory, and says that the image is damaged."""


@pytest.mark.slow_except("a GIF that says 900 megapixels")
@pytest.mark.parametrize("name", IMAGES)
def test_an_image(name, monkeypatch):
    content = IMAGES[name]()
    assert len(content) < 2**22
    with pytest.raises(UnreadableImage, match=r"too large|damaged|truncated"):
        decode(content)
    monkeypatch.setattr(pool, "Child", lambda make, *rest: Child("tests.strictio.child.unguarded:images", *rest))
    monkeypatch.setattr(pool, "MAX_MEMORY", MEMORY)
    monkeypatch.setattr(pool, "MAX_SECONDS", SECONDS)
    reason = "damaged" if name == WITHOUT_REASON else r"decoder took too (long|much memory)"
    with pool.Decoders(1) as decoding:
        with pytest.raises(UnreadableImage, match=reason):
            decoding.decode(content)
        assert decoding.decode(saved("PNG", 9)).image.size == (9, 9)


# ---- tables ------------------------------------------------------------------------------------------------------------------------------


def book(folder, **parts):
    """A workbook of one cell in which some parts are others."""
    plain, path = io.BytesIO(), folder / "t.xlsx"
    made = openpyxl.Workbook()
    made.active["A1"] = "id"
    made.save(plain)
    named = {"sheet": "xl/worksheets/sheet1.xml", "styles": "xl/styles.xml"}
    changed = {named[part]: content for part, content in parts.items()}
    with zipfile.ZipFile(plain) as source, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as target:
        for name in source.namelist():
            with target.open(name, "w") as file:
                for piece in changed.get(name, [source.read(name)]):
                    file.write(piece)
    return path


SPACE = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'


def inside(start, block, times, end):
    yield start.encode()
    for _ in range(times):
        yield block
    yield end.encode()


def sheet(block, times):
    return inside(f"<worksheet {SPACE}><sheetData>", block, times, "</sheetData></worksheet>")


LETTERS = b"x" * 2**20
WORKBOOKS = {
    "20 million empty rows": {"sheet": lambda: sheet(b"<row/>" * 100_000, 200)},
    "rows of 16,384 empty cells": {"sheet": lambda: sheet(b'<row><c r="XFD1"/></row>' * 10_000, 10)},
    "a cell of 300 megabytes": {
        "sheet": lambda: inside(
            f'<worksheet {SPACE}><sheetData><row><c t="inlineStr"><is><t>', LETTERS, 300, "</t></is></c></row></sheetData></worksheet>"
        )
    },
    "3 million elements": {
        "sheet": lambda: inside(f"<worksheet {SPACE}><sheetData><row><c>", b"<is/>" * 10_000, 300, "</c></row></sheetData></worksheet>")
    },
    "3 million styles": {
        "styles": lambda: inside(f"<styleSheet {SPACE}><cellXfs>", b'<xf numFmtId="0"/>' * 10_000, 300, "</cellXfs></styleSheet>")
    },
}


@pytest.mark.slow_except("a cell of 300 megabytes")
@pytest.mark.parametrize("name", WORKBOOKS)
def test_a_workbook(name, tmp_path, monkeypatch):
    path = book(tmp_path, **{part: make() for part, make in WORKBOOKS[name].items()})
    assert path.stat().st_size < 2**23
    monkeypatch.setattr(workbook, "check_unfolded", lambda *_: None)
    monkeypatch.setattr(workbook, "shared_child", lambda make, *rest: shared_child("tests.strictio.child.unguarded:workbooks", *rest))
    monkeypatch.setattr(workbook, "MAX_MEMORY", MEMORY)
    monkeypatch.setattr(workbook, "SECONDS", SECONDS)
    monkeypatch.setattr(workbook, "SECONDS_PER_MIB", 0.0)
    with pytest.raises(UnsafeError, match=r"reading t\.xlsx does not end|t\.xlsx would fill the memory"):
        workbook.read_workbook(path, None)
    assert workbook.workbook_header(book(tmp_path)) == ["id"]


def texts_of_one_value():
    value = pa.array(["x" * 2**20]).cast(pa.large_string())
    return pa.table({"a": pa.DictionaryArray.from_arrays(pa.array(np.zeros(1_000, np.int32)), value)})


PARQUETS = {
    "a text of a megabyte 1,000 times": texts_of_one_value,
    "40 million equal numbers": lambda: pa.table({"a": np.zeros(40_000_000, np.int64)}),
    "a cell of 300 megabytes": lambda: pa.table({"a": pa.array([bytes(300 * 2**20)])}),
    "a list of 40 million numbers": lambda: pa.table({"a": pa.ListArray.from_arrays([0, 40_000_000], np.zeros(40_000_000, np.int64))}),
}


@pytest.mark.slow_except("a text of a megabyte 1,000 times")
@pytest.mark.parametrize("name", PARQUETS)
def test_a_parquet_file(name, tmp_path, monkeypatch):
    path = tmp_path / "t.parquet"
    pq.write_table(PARQUETS[name](), path, compression="zstd", store_schema=False)
    assert path.stat().st_size < 2**23
    monkeypatch.setattr(parquet, "shared_child", lambda make, *rest: shared_child("tests.strictio.child.unguarded:parquets", *rest))
    monkeypatch.setattr(parquet, "physical_memory", lambda: MEMORY // 3 * 4)
    monkeypatch.setattr(parquet, "SECONDS", SECONDS)
    monkeypatch.setattr(parquet, "SECONDS_PER_MIB", 0.0)
    with pytest.raises((UnsafeError, MachineError), match=r"reading t\.parquet does not end|out of memory while reading t\.parquet"):
        parquet.read_parquet(path)


# ---- tokenizers --------------------------------------------------------------------------------------------------------------------------


def tokenizer(**parts):
    backend = Tokenizer(models.WordLevel({"a": 0, "b": 1, "?": 2}, unk_token="?"))
    for name, part in parts.items():
        setattr(backend, name, part)
    return texts.bounded_tokenizer(PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="?", pad_token="?"))


def read(text, **parts):
    return lambda: tokenizer(**parts)(text)


TOKENIZERS = {
    "a text ten times as long, nine times": read("a" * 100, normalizer=normalizers.Sequence([normalizers.Replace("a", "a" * 10)] * 9)),
    "50,000 letters for each": read("a" * 100_000, normalizer=normalizers.Replace(Regex("."), "b" * 50_000)),
    "5,000 steps": read("a" * 100_000, normalizer=normalizers.Sequence([normalizers.NFKD()] * 5_000)),
    "20,000 tokens for each text": read(
        ["a"] * 5_000, post_processor=processors.TemplateProcessing(single="?:0 " * 20_000 + "$A", special_tokens=[("?", 2)])
    ),
    "a token ten times as long, nine times": lambda: tokenizer(decoder=decoders.Sequence([decoders.Replace("a", "a" * 10)] * 9)).decode(
        [0]
    ),
}


@pytest.mark.slow_except("a text ten times as long, nine times")
@pytest.mark.parametrize("name", TOKENIZERS)
def test_a_tokenizer(name, monkeypatch):
    for limit in ("NORMAL_GROWTH", "NORMAL_MORE"):
        monkeypatch.setattr(texts, limit, 10**12)
    monkeypatch.setattr(texts, "MAX_MEMORY", MEMORY)
    monkeypatch.setattr(texts, "DEADLINE_S", SECONDS)
    monkeypatch.setattr(texts, "DEADLINE_PER_TEXT_S", 0.0)
    with pytest.raises(UnsafeError, match=r"takes too much memory|does not end|ends the process"):
        TOKENIZERS[name]()


# ---- graphs ------------------------------------------------------------------------------------------------------------------------------


def graph(*nodes, functions=(), **constants):
    """A graph from "x", an array of one number, to "y"."""
    onnx = pytest.importorskip("onnx")
    helper, single = onnx.helper, onnx.TensorProto.FLOAT
    values = [onnx.numpy_helper.from_array(np.array(value), name) for name, value in constants.items()]
    ends = [helper.make_tensor_value_info("x", single, [1])], [helper.make_tensor_value_info("y", single, None)]
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("mine", 1)]
    made = helper.make_graph([node(helper) for node in nodes], "g", *ends, values)
    return helper.make_model(made, opset_imports=opsets, functions=[each(helper) for each in functions], ir_version=9)


def node(kind, inputs, output, **more):
    return lambda helper: helper.make_node(
        kind, inputs, [output], **{name: given(helper) if callable(given) else given for name, given in more.items()}
    )


def body(kind):
    """What a loop does each time: "v" is computed from the last one."""
    return lambda helper: helper.make_graph(
        [
            helper.make_node("Identity", ["go"], ["on"]),
            helper.make_node(kind, ["w", "w"][: 1 + (kind != "Identity")], ["v"], **{"axis": 0} if kind == "Concat" else {}),
        ],
        "body",
        [helper.make_tensor_value_info(name, of, shape) for name, of, shape in (("i", 7, []), ("go", 9, []), ("w", 1, None))],
        [helper.make_tensor_value_info("on", 9, []), helper.make_tensor_value_info("v", 1, None)],
    )


def twice(level):
    """A function that calls the one of the level below twice."""

    def made(helper):
        kind, domain = ("Neg", "") if level == 0 else (f"f{level - 1}", "mine")
        nodes = [helper.make_node(kind, [a], [b], domain=domain) for a, b in (("p", "q"), ("q", "r"))]
        return helper.make_function("mine", f"f{level}", ["p"], ["r"], nodes, [helper.make_opsetid("", 17), helper.make_opsetid("mine", 1)])

    return made


MANY, YES = np.int64(2**62), np.bool_(True)
MATRIX = np.array([3_000, 3_000], np.int64)
GRAPHS = {
    "a loop without end": lambda: graph(node("Loop", ["n", "c", "x"], "y", body=body("Add")), n=MANY, c=YES),
    "a loop that doubles": lambda: graph(node("Loop", ["n", "c", "x"], "y", body=body("Concat")), n=MANY, c=YES),
    "functions that call each other twice": lambda: graph(
        node("f40", ["x"], "y", domain="mine"), functions=[twice(level) for level in range(41)]
    ),
    "an array of 4 TiB": lambda: graph(node("ConstantOfShape", ["s"], "z"), node("Add", ["x", "z"], "y"), s=np.array([2**40], np.int64)),
    "an array made larger": lambda: graph(node("Expand", ["x", "s"], "y"), s=np.array([2**30], np.int64)),
    "2,000 products of matrices": lambda: graph(
        node("Expand", ["x", "s"], "a0"), *(node("MatMul", [f"a{at}"] * 2, f"a{at + 1}") for at in range(2_000)),
        node("ReduceMax", ["a2000"], "y"), s=MATRIX,
    ),
}  # fmt: skip


@pytest.mark.slow_except("a loop without end")
@pytest.mark.parametrize("name", GRAPHS)
def test_a_graph(name, monkeypatch):
    pytest.importorskip("onnxruntime")
    content = GRAPHS[name]().SerializeToString()
    assert len(content) < 2**20
    monkeypatch.setattr(onnx_session, "physical_memory", lambda: 2 * MEMORY // 3 * 4)
    for limit in ("LOAD_S", "RUN_PER_IMAGE_S"):
        monkeypatch.setattr(onnx_session, limit, SECONDS)

    with pytest.raises(UnsafeError, match=r"ONNX file (does not end|takes too much memory|ends the process that runs it)"):
        scores(content)


def scores(content):
    session = onnx_session.OnnxSession(SimpleNamespace(path=Path("m.onnx"), checked=content, external=()), 1)
    return session.run(["y"], {"x": np.ones(1, np.float32)})
