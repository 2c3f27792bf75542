"""A safetensors file, told from other kinds; its numbers, counted exactly though they stream by in pieces."""

import json
import struct

import pytest
import torch
from safetensors.torch import save_file

from audit.errors import DataError, UnsafeError
from strictio.weights.readers import safetensors_file as values
from strictio.weights.readers.safetensors_file import check_values, read_tensors


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16], ids=str)
def test_bad_values_are_counted_across_pieces(tmp_path, monkeypatch, dtype):
    monkeypatch.setattr(values, "CHUNK", 64)  # eight float64 a piece
    weight = torch.zeros(10, 10, dtype=dtype)
    save_file({"a": weight.clone(), "layer.w": weight}, tmp_path / "x.safetensors")
    check_values(tmp_path / "x.safetensors")
    weight[0, 0], weight[4, 4], weight[9, 9] = float("nan"), float("inf"), -float("inf")
    save_file({"a": torch.zeros(3), "layer.w": weight}, tmp_path / "x.safetensors")
    with pytest.raises(DataError, match=r"'layer\.w' holds 3 values"):
        check_values(tmp_path / "x.safetensors")


def test_what_cannot_be_infinite_or_is_empty_is_passed_over(tmp_path):
    tensors = {"ids": torch.arange(5), "none": torch.empty(0), "flags": torch.ones(3, dtype=torch.bool), "scalar": torch.tensor(1.0)}
    save_file(tensors, tmp_path / "x.safetensors", metadata={"format": "pt"})
    check_values(tmp_path / "x.safetensors")


@pytest.mark.parametrize("length", [0x3C, 0x3C20, 0x3C0A])
def test_a_header_whose_length_looks_like_the_start_of_a_page_is_read(tmp_path, length):
    """0x3C is ``<``; 0x20 and 0x0A before it are blanks."""
    header = json.dumps({"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode().replace(b" ", b"")
    path = tmp_path / "x.safetensors"
    path.write_bytes(struct.pack("<Q", length) + header.ljust(length) + struct.pack("<f", 2.5))
    assert read_tensors(path)["w"].tolist() == [2.5]


@pytest.mark.parametrize("page", [b"<!doctype html>", b"<script>{ } </script>", b"\n\n<html>{<b>"])
def test_a_page_is_still_a_page(tmp_path, page):
    (tmp_path / "x.safetensors").write_bytes(page + b"." * 200)
    with pytest.raises(DataError, match="an HTML page"):
        read_tensors(tmp_path / "x.safetensors")


def test_more_tensors_than_can_be_looked_at_in_seconds_are_refused(tmp_path):
    header = json.dumps({f"a{i}": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]} for i in range(30_001)}).encode()
    (tmp_path / "x.safetensors").write_bytes(struct.pack("<Q", len(header)) + header)
    with pytest.raises(UnsafeError, match="holds 30,001 tensors; the limit is 30,000"):
        read_tensors(tmp_path / "x.safetensors")
