"""The limit that stands behind every guard: with the guard taken out, a bomb meets it; a sound file of the kind does not."""

import bz2
import gzip
import io
import json
import lzma
import pickle
import resource
import sys
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import openpyxl
import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from strictio.limits import limit_memory
from tests.support import forked
from tests.support.limits import limited
from tests.support.tiers import first

HEADROOM = 192 * 2**20
READERS = {
    "torch": "import torch; print(len([tensor.clone() for tensor in torch.load(path, weights_only=True).values()]))",
    "zip": "import zipfile; file = zipfile.ZipFile(path); print(sum(len(file.read(name)) for name in file.namelist()))",
    "npz": "import numpy; print(numpy.load(path)['w'].shape)",
    "pickle": "import pickle; print(len(pickle.load(open(path, 'rb'))))",
    "image": "from PIL import Image; Image.MAX_IMAGE_PIXELS = None; print(len(Image.open(path).convert('RGB').tobytes()))",
    "csv": "import pandas; print(len(pandas.read_csv(path)))",
    "jsonl": "import pandas; print(len(pandas.read_json(path, lines=True)))",
    "xlsx": "import openpyxl; print(openpyxl.load_workbook(path).active.max_row)",
    "parquet": "import pyarrow.parquet; print(len(pyarrow.parquet.read_table(path).to_pandas()))",
    "arrow": "import pyarrow.ipc; print(len(pyarrow.ipc.open_stream(path).read_all().to_pandas()))",
    "tar": "import tarfile; file = tarfile.open(path); print(sum(len(file.extractfile(member).read()) for member in file))",
}
"""What reads a kind of file without looking first."""
CODE = "import sys; path = sys.argv[1]\ntry:\n    {}\nexcept Exception as error:\n    print('stopped:', type(error).__name__, error)"
MEBI = 2**20


def saved(tensors):
    buffer = io.BytesIO()
    torch.save(tensors, buffer)
    return buffer.getvalue()


def deflated(content, other=()):
    """Return the archive with its entries compressed; `other` holds some of them that are to be put in the place of its own."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as source, zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as target:
        for name in source.namelist():
            target.writestr(name, dict(other).get(name) or source.read(name))
    return buffer.getvalue()


def aliases(count, view):
    row = torch.zeros(1_250_000)
    return saved({f"t{index}": view(row, index) for index in range(count)})


def picture(kind, width, height, **options):
    buffer = io.BytesIO()
    Image.new("L", (width, height)).save(buffer, kind, **options)
    return buffer.getvalue()


def table(columns, write):
    buffer = io.BytesIO()
    write(pa.table(columns), buffer)
    return buffer.getvalue()


def stream(content, buffer):
    with pyarrow.ipc.new_stream(buffer, content.schema, options=pyarrow.ipc.IpcWriteOptions(compression="zstd")) as writer:
        writer.write_table(content)


def parquet(content, buffer):
    pq.write_table(content, buffer, compression="zstd", store_schema=False)


def texts(count):
    return {"race": pa.DictionaryArray.from_arrays(pa.array(np.zeros(count, np.int32)), pa.array(["x" * MEBI])).dictionary_decode()}


def workbook(letters):
    book = openpyxl.Workbook()
    book.active.append([1])
    buffer = io.BytesIO()
    book.save(buffer)
    cell = f'<row r="1"><c r="A1" t="inlineStr"><is><t>{"x" * letters}</t></is></c></row>'
    sheet = f'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>{cell}</sheetData></worksheet>'
    return deflated(buffer.getvalue(), {"xl/worksheets/sheet1.xml": sheet})


def tar(length):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as file:
        member = tarfile.TarInfo("a.jpg")
        member.size = length
        file.addfile(member, io.BytesIO(bytes(length)))
    return buffer.getvalue()


def npz(numbers):
    buffer = io.BytesIO()
    np.savez_compressed(buffer, w=np.zeros(numbers, np.uint8))
    return buffer.getvalue()


def lines(count):
    return (json.dumps({"race": "A"}) + "\n").encode() * count


CSV = b"race,y_pred\n"
FILES = {  # a bomb and a sound file of each kind, and how it is named
    "a tensor of strides 0": ("torch", "x.pt", lambda big: saved({"w": torch.empty(1).as_strided((20_000 if big else 2,) * 2, (0, 0))})),
    "compressed tensors": ("zip", "x.pt", lambda big: deflated(saved({"w": torch.zeros((100 if big else 1) * MEBI)}))),
    "tensors over one storage": ("torch", "x.pt", lambda big: aliases(400 if big else 2, lambda row, _: row)),
    "tensors that overlap": ("torch", "x.pt", lambda big: aliases(400 if big else 2, lambda row, index: row[index:])),
    "turned tensors": ("torch", "x.pt", lambda big: aliases(400 if big else 2, lambda row, _: row.view(1250, 1000).T)),
    "a compressed array": ("npz", "x.npz", lambda big: npz((400 if big else 1) * MEBI)),
    "lists of a pickle": ("pickle", "x.bin", lambda big: b"\x80\x02](" + b"]" * (6 * MEBI if big else 9) + b"e."),
    "numbers of a pickle": (
        "pickle",
        "x.bin",
        lambda big: b"\x80\x02](" + pickle.dumps(2**999, 2)[2:-1] * (3 * MEBI if big else 9) + b"e.",
    ),
    "a PNG of 100 megapixels": ("image", "x.png", lambda big: picture("PNG", 100, 1_000_000 if big else 10)),
    "a square PNG": ("image", "x.png", lambda big: picture("PNG", *(12_000, 12_000) if big else (9, 9))),
    "a TIFF": ("image", "x.tif", lambda big: picture("TIFF", *(12_000, 12_000) if big else (9, 9), compression="tiff_deflate")),
    "a GIF": ("image", "x.gif", lambda big: picture("GIF", *(12_000, 12_000) if big else (9, 9))),
    "a WebP": ("image", "x.webp", lambda big: picture("WEBP", *(12_000, 12_000) if big else (9, 9), lossless=True)),
    "a JPEG": ("image", "x.jpg", lambda big: picture("JPEG", *(12_000, 12_000) if big else (9, 9))),
    "a CSV in gzip": ("csv", "x.csv.gz", lambda big: gzip.compress(CSV + b"A,x\n" * (12 * MEBI if big else 9))),
    "a CSV in bzip2": ("csv", "x.csv.bz2", lambda big: bz2.compress(CSV + b"A,x\n" * (12 * MEBI if big else 9))),
    "a CSV in xz": ("csv", "x.csv.xz", lambda big: lzma.compress(CSV + b"A,x\n" * (12 * MEBI if big else 9), preset=0)),
    "JSON lines in gzip": ("jsonl", "x.jsonl.gz", lambda big: gzip.compress(lines(20 * MEBI if big else 9))),
    "a workbook": ("xlsx", "x.xlsx", lambda big: workbook(300 * MEBI if big else 9)),
    "texts of a Parquet file": ("parquet", "x.parquet", lambda big: table(texts(600 if big else 2), parquet)),
    "numbers of a Parquet file": ("parquet", "x.parquet", lambda big: table({"n": np.zeros((60 if big else 1) * MEBI)}, parquet)),
    "texts of an Arrow stream": ("arrow", "x.arrow", lambda big: table(texts(600 if big else 2), stream)),
    "numbers of an Arrow stream": ("arrow", "x.arrow", lambda big: table({"n": np.zeros((60 if big else 1) * MEBI)}, stream)),
    "a member of a tar": ("tar", "x.tar.gz", lambda big: tar((400 if big else 1) * MEBI)),
}


EACH_ALLOCATOR = ("a tensor of strides 0", "a compressed array", "lists of a pickle", "a square PNG", "texts of an Arrow stream")
"""One file for each of torch, NumPy, Python, Pillow and Arrow: the limit is the same for all, and asks nobody what is read."""


@pytest.mark.slow_except("a tensor of strides 0", "lists of a pickle", "a square PNG")
@pytest.mark.parametrize("name", first(EACH_ALLOCATOR, of=FILES))
def test_a_bomb_without_its_guard_meets_the_limit_and_a_sound_file_does_not(tmp_path, name):
    kind, file, make = FILES[name]
    for big in (True, False):
        path = tmp_path / file
        path.write_bytes(make(big))
        done = limited([sys.executable, "-c", CODE.format(READERS[kind]), str(path)], tmp_path, HEADROOM)
        stopped = "stopped: " in done.out or done.code != 0
        assert stopped == big, (done.code, done.out[-500:], done.err[-500:])
        assert done.peak_mib < 2 * HEADROOM / MEBI  # what allocators had set aside before the limit counts for them


TAKES = """
import sys
from strictio.limits import limit_memory
held = bytearray(2**28)  # what a process has before counts for nothing
print(limit_memory(2**27), flush=True)
taken = bytearray(2**26)
try:
    bytearray(2**27)
except MemoryError:
    print("stopped")
"""


def test_a_process_may_take_so_much_beside_what_it_holds(tmp_path):
    done = forked.run([sys.executable, "-c", TAKES], capture_output=True, text=True, cwd=tmp_path)
    assert done.stdout.split() == ["True", "stopped"], done.stderr


def test_a_lower_limit_from_outside_stays(monkeypatch):
    limits = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: (5 * 2**20, 7 * 2**20))
    monkeypatch.setattr(resource, "setrlimit", lambda _, pair: limits.append(pair))
    assert limit_memory(2**40)
    assert limits == [(7 * 2**20, 7 * 2**20)]


def test_where_the_system_tells_nothing_there_is_no_limit_and_it_is_said(monkeypatch):
    def absent(*_, **__):
        raise FileNotFoundError

    monkeypatch.setattr(Path, "read_text", absent)
    monkeypatch.setattr(resource, "setrlimit", absent)
    assert limit_memory(2**30) is False
