"""Tar shards that a stranger wrote: what would cost a cell for every sample, or cannot be parsed, is refused by name."""

import io
import json
import tarfile
import time

import numpy as np
import pytest

from audit.data import load_dataset
from audit.data.schema import Schema
from audit.errors import DataError
from contrastive.data.tars import index_of
from tests.support.planted import picture
from tests.support.web_datasets import npy, tar


def refusal(path):
    with pytest.raises(DataError) as caught:
        load_dataset(str(path), Schema(), name="made", licence="none")
    return str(caught.value)


def described(folder, ending, contents):
    members = [
        (f"{place}.{kind}", content) for place, each in enumerate(contents) for kind, content in (("png", picture(0)), (ending, each))
    ]
    return tar(folder / "0.tar", members)


def test_a_key_of_its_own_for_every_sample_is_refused(tmp_path):
    shard = described(tmp_path, "json", [json.dumps({f"k{place}": 1}).encode() for place in range(1100)])
    assert "too many attributes in tar shards (0.tar, sample '1000')" in refusal(shard)
    assert "at most 1,000 are read" in refusal(shard)


def member(name, content=b"", kind=tarfile.REGTYPE, **pax):
    """Return a header and its content, before it what pax headers say."""
    header = tarfile.TarInfo(name)
    header.size, header.type, header.pax_headers = len(content), kind, pax
    return header.tobuf(tarfile.PAX_FORMAT) + content + b"\0" * (-len(content) % 512)


@pytest.mark.parametrize("size", ["-1000000", "-1", "9" * 50])
@pytest.mark.parametrize("read", [lambda path: load_dataset(str(path), Schema(), name="made", licence="none"), index_of])
def test_a_size_that_no_member_has_is_refused(tmp_path, size, read):
    (tmp_path / "0.tar").write_bytes(member("1.png", picture(0), size=size) * 3 + b"\0" * 1024)
    with pytest.raises(DataError):
        read(tmp_path / "0.tar")


def test_a_chain_of_long_names_is_refused(tmp_path):
    (tmp_path / "0.tar").write_bytes(member("././@LongLink", b"a" * 9, tarfile.GNUTYPE_LONGNAME) * 5000 + member("1.png") + b"\0" * 1024)
    refusal(tmp_path / "0.tar")
    with pytest.raises(DataError):
        index_of(tmp_path / "0.tar")


def test_a_header_of_megabytes_is_refused_before_it_is_searched(tmp_path):
    for kind in (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME):
        (tmp_path / "0.tar").write_bytes(member("long", b"1" * 3_000_000, kind) + member("1.png", picture(0)) + b"\0" * 1024)
        began = time.process_time()
        assert "a header has 3,000,000 bytes" in refusal(tmp_path / "0.tar")
        with pytest.raises(DataError, match="not an uncompressed tar file"):
            index_of(tmp_path / "0.tar")
        assert time.process_time() - began < 2


def test_a_name_that_is_not_utf_8_is_refused(tmp_path):
    name = b"16 path=a\xff\xfe.png\n"
    (tmp_path / "0.tar").write_bytes(member("pax", name, tarfile.XHDTYPE) + member("1.png", picture(0)) + b"\0" * 1024)
    assert "bytes that are not UTF-8" in refusal(tmp_path / "0.tar")


def test_an_array_of_thousands_of_numbers_is_refused(tmp_path):
    assert "an .npy member of 5,000 numbers" in refusal(described(tmp_path, "npy", [npy(np.zeros(5000))]))


def test_a_header_of_an_array_that_python_cannot_tokenize_is_refused(tmp_path):
    whole = npy(np.zeros(2))
    head = whole[: whole.index(b"\n")].rstrip() + b"(" * 3
    buffer = io.BytesIO(whole[:8] + len(head + b"\n").to_bytes(2, "little") + head[10:] + b"\n" + whole[-16:])
    assert "an .npy member that cannot be read" in refusal(described(tmp_path, "npy", [buffer.getvalue()]))
