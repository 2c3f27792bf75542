"""Small files that would take for ever, or all memory: refused or read within seconds and two gigabytes, by the reader and the command."""

import io
import json
import struct
import sys
import time
import warnings
import zipfile
from collections import OrderedDict
from functools import cache
from pathlib import Path

import pytest
import torch

from strictio.errors import UnsafeError
from strictio.weights.torch_file import read_archive
from tests.support.limits import GIB, limited
from tests.support.tiers import first

LIMIT = 2 * 2**30
READER = """
import json, resource, sys, time
import torch
from strictio.weights.torch_file import read_archive
from strictio.errors import VlmAuditError
from strictio.weights.unwrap import unwrap
from pathlib import Path
torch.set_num_threads(1)
for path in sys.argv[1:]:
    started, code, said = time.process_time(), 0, ""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        unwrap(read_archive(path).data)
    except VlmAuditError as error:
        code, said = error.exit_code, str(error)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024
    print(json.dumps([Path(path).stem, code, said, time.process_time() - started, grown]), flush=True)
"""


def word(text):
    return b"X" + struct.pack("<I", len(text.encode())) + text.encode()


def table(keys, value=b"N"):
    return b"}(" + b"".join(b"J" + struct.pack("<i", key) + value for key in keys) + b"u"


MANY = 10**6
BIG = "k" * 5_000_000
CLASS = b"cargparse\nNamespace\nq\x01"
STORAGE = b"(" + word("storage") + b"ctorch\nFloatStorage\n" + word("0") + word("cpu") + b"K\x04tq\x080"
REBUILD = b"ctorch._utils\n_rebuild_tensor_v2\nq\x000"
TENSOR = REBUILD + STORAGE + b"h\x08Qq\x060" + b"h\x00(h\x06K\x00K\x04\x85K\x01\x85tRq\x090"
NAMES = table(range(300), b"h\x09") + b"q\x0a0}(" + b"".join(word("ab." * 310 + str(i)) + b"h\x0a" for i in range(300)) + b"u"
REFUSED, READ, DAMAGED = 4, 3, 3
FLOODS = {  # a pickle -> how it ends, and a word of it
    "build": (lambda: table(range(100_000)) + b"q\x00" + CLASS + b")R" + b"h\x00b" * MANY, REFUSED, "attributes"),
    "build on new": (lambda: table(range(10_000)) + b"q\x00" + CLASS + b"h\x01)Rh\x00b" * (MANY // 4), REFUSED, "attributes"),
    "memoize": (lambda: b"]" + b"\x94" * MANY, REFUSED, "instructions"),
    "dup": (lambda: b"]" + b"2" * MANY, REFUSED, "instructions"),
    "tuples in tuples": (lambda: b")" + b"\x85" * (MANY - 3), READ, "no table"),
    "lists": (lambda: b"]" * (MANY - 3), READ, "no table"),
    "marks": (lambda: b"(" * (MANY - 3), DAMAGED, "data.pkl"),
    "appends": (lambda: b"]" + b"(]]e" * (MANY // 5), READ, "no table"),
    "a list in itself": (lambda: b"]q\x00" + b"h\x00a" * (MANY // 3), READ, "no table"),
    "opaque values": (lambda: CLASS + b"h\x01)R" * (MANY // 4), READ, "no tensors"),
    "numbers of megabytes": (lambda: (b"\x8b" + struct.pack("<i", 4 * MANY) + b"\x7f" * 4 * MANY) * 12, READ, "no table"),
    "places of the memo": (
        lambda: b"]" + b"".join(b"r" + struct.pack("<I", i * 458_752 % 2**32) for i in range(MANY // 2)), READ, "no table",
    ),
    "keys that collide": (lambda: table(i * 2**20 % (2**31 - 1) for i in range(300_000)), READ, "no tensors"),
    "equal keys of megabytes": (lambda: word(BIG) + b"q\x00" + word(BIG) + b"q\x01}h\x00Nsq\x02" + b"h\x01Ns" * 300_000, REFUSED, "words"),
    "names of megabytes": (lambda: word(BIG) + b"q\x00" + word("x") + b"q\x01" + b"h\x00h\x01\x93" * 300_000, REFUSED, "letters"),
    "many names": (lambda: b"".join(b"cargparse\nN%d\n0" % i for i in range(300_000)), REFUSED, "more"),
    "a size of many axes": (
        lambda: REBUILD + STORAGE + b"h\x08Qq\x060("
        + b"K\x01" * 300_000 + b"tq\x050(h\x06K\x00h\x05h\x05tq\x070" + b"h\x00h\x07R" * 200_000,
        DAMAGED, "a tensor is described",
    ),
    "a storage of a long name": (lambda: STORAGE.replace(word("0"), word(BIG)) + b"h\x08Q" * 300_000, DAMAGED, "a storage is described"),
    "many tensors": (lambda: TENSOR + b"(h\x06K\x00K\x04\x85K\x01\x85tq\x070" + b"h\x00h\x07R" * 300_000, REFUSED, "30,000 tensors"),
    "one table in many places": (lambda: table(range(200_000)) + b"q\x00" + table(range(200_000), b"h\x00"), REFUSED, "nested"),
    "names of many parts": (lambda: TENSOR + NAMES, REFUSED, "repeated"),
    "text": (lambda: word("\U0001f600" + "a" * 50 * MANY), READ, "no table"),
}  # fmt: skip


def made(path, program, weights=None):
    """Write an archive of torch.save with another pickle in it."""
    buffer = io.BytesIO()
    torch.save(weights or {"w": torch.arange(4.0), "more": torch.zeros(300_000)}, buffer)
    with zipfile.ZipFile(buffer) as old, zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as new:
        for name in old.namelist():
            new.writestr(name, program if name.endswith("data.pkl") else old.read(name))
    return path


EACH_BOUND = (
    "build", "memoize", "equal keys of megabytes", "names of megabytes", "many names", "a size of many axes", "a storage of a long name",
    "many tensors", "one table in many places", "names of many parts", "marks", "lists",
)  # fmt: skip
"""One for each of the bounds, and one that is read; every run of the tests takes these."""


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    """Return a function that reads a flood, with all others of its tier in one process."""

    @cache
    def read(now):
        folder = tmp_path_factory.mktemp("floods")
        programs = {name: program for name, (program, _, _) in FLOODS.items() if (name in EACH_BOUND) == now}
        paths = [made(folder / f"{name}.pt", b"\x80\x02" + program() + b".") for name, program in programs.items()]
        done = limited([sys.executable, "-c", READER, *map(str, paths)], folder, LIMIT)
        assert done.code == 0, done.err[-2000:]
        return {name: rest for name, *rest in map(json.loads, done.out.splitlines())}

    return lambda name: read(name in EACH_BOUND)[name]


@pytest.mark.slow_except(
    "memoize",
    "lists",
    "marks",
    "equal keys of megabytes",
    "names of megabytes",
    "many names",
    "a size of many axes",
    "a storage of a long name",
    "many tensors",
    "one table in many places",
    "names of many parts",
)
@pytest.mark.parametrize("name", first(EACH_BOUND, of=FLOODS))
def test_a_flood_of_instructions_ends_within_seconds_and_two_gigabytes(answers, name):
    code, said, seconds, mebibytes = answers(name)
    _, expected, words = FLOODS[name]
    assert (code, words in said) == (expected, True), said
    assert len(said) < 3000
    assert seconds < 5
    assert mebibytes < 600


@pytest.mark.slow
def test_many_entries_one_twice(tmp_path):
    """To look for each name among all would take minutes."""
    with zipfile.ZipFile(tmp_path / "x.pt", "w") as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for number in (*range(60_000), 59_999):
            file.writestr(f"a/data/{number}", b"")
    started = time.process_time()
    with pytest.raises(UnsafeError, match="'a/data/59999' more than once"):
        read_archive(tmp_path / "x.pt")
    assert time.process_time() - started < 5


# Many tensors over one storage


def start_of_storage(path):
    with zipfile.ZipFile(path) as file:
        info = next(info for info in file.infolist() if info.filename.endswith("data/0"))
        file.fp.seek(info.header_offset + 26)
        return info.header_offset + 30 + sum(struct.unpack("<HH", file.fp.read(4)))


def cut_storages(count, floats):
    """A pickle of as many storages over one entry, each a number shorter than the one before."""
    storages = [
        b"h\x00((" + word("storage") + b"ctorch\nFloatStorage\n" + word("0") + word("cpu") + b"J" + struct.pack("<i", floats - i)
        + b"tQK\x00K\x01\x85K\x01\x85tR" for i in range(count)
    ]  # fmt: skip
    return b"\x80\x02" + REBUILD + b"}(" + b"".join(word(f"t{i}") + made_ for i, made_ in enumerate(storages)) + b"u."


def aliases(folder):
    """Write files of 5 MB that hold 8 to 20 GB of tensors."""
    row = torch.zeros(1_250_000)
    torch.save({f"t{i}": row for i in range(4000)}, folder / "alias.pt")
    torch.save({f"t{i}": row[i:] for i in range(1600)}, folder / "overlap.pt")
    torch.save({f"t{i}": row.view(1250, 1000).T for i in range(1600)}, folder / "turned.pt")


@pytest.mark.parametrize("module", ["reader", "contrastive.foreign"])
def test_tensors_that_repeat_one_storage_are_refused_before_they_are_copied(tmp_path, module):
    aliases(tmp_path)
    for name in ("alias", "overlap", "turned"):
        path, out = str(tmp_path / f"{name}.pt"), str(tmp_path / "out.safetensors")
        words = ["-c", READER, path] if module == "reader" else ["-m", module, path, out]
        done = limited([sys.executable, *words], tmp_path, LIMIT)
        said = done.out if module == "reader" else done.err
        assert "repeated or large beyond reason" in said, done.err
        assert done.code == (0 if module == "reader" else 4)
        assert done.peak_mib < 400
        assert done.cpu_s < 12
        assert not Path(out).exists()


def test_a_storage_that_is_cut_in_many_lengths_is_copied_once(tmp_path):
    """Where the file does not align its numbers they are copied: 1,600 lengths of 5 MB would be 8 GB."""
    weights, program = {"w": torch.zeros(1_250_000)}, cut_storages(1600, 1_250_000)
    path = made(tmp_path / "x.pt", program, weights)
    if start_of_storage(path) % 2 == 0:
        made(path, program[:2] + b"K\x000" + program[2:], weights)
    assert start_of_storage(path) % 2
    done = limited([sys.executable, "-c", READER, str(tmp_path / "x.pt")], tmp_path, LIMIT)
    _, code, said, seconds, mebibytes = json.loads(done.out)
    assert (code, said) == (0, "")
    assert seconds < 5
    assert mebibytes < 100


def test_weights_that_layers_share_are_read(tmp_path):
    weight = torch.arange(1000.0)
    torch.save(OrderedDict({f"layers.{i}.weight": weight for i in range(15)}), tmp_path / "x.pt")
    tensors = read_archive(tmp_path / "x.pt").tensors
    assert len({tensor.data_ptr() for tensor in tensors.values()}) == 1
    assert torch.equal(tensors["layers.3.weight"], weight)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        pytest.param("build", "it sets more than 1,000,000 attributes", marks=pytest.mark.slow),
        ("alias", "repeated or large beyond reason"),
    ],
)
def test_the_audit_refuses_them_too(tmp_path, name, said):
    if name == "build":
        made(tmp_path / "build.pt", b"\x80\x02" + FLOODS["build"][0]() + b".")
    else:
        aliases(tmp_path)
    command = [sys.executable, "-m", "audit.run", "--model", f"{name}.pt", "--probe", "emoji", "--out", "out"]
    # One gigabyte more: pyarrow reserves so many addresses, without using them, for the tables of an audit.
    done = limited(command, tmp_path, LIMIT + GIB)
    assert done.code == 4, done.err
    assert f"error[E4] {'its tables or tensors are nested, ' if name == 'alias' else ''}{said} ({name}.pt)" in done.err
    assert "Traceback" not in done.err
    assert done.cpu_s < 15  # most of it imports
    assert done.peak_mib < 700
    assert not (tmp_path / "out").exists()
