"""A safetensors file that is replaced after the official reader has read it, and before its numbers are looked at."""

import os

import pytest
import torch
from safetensors.torch import save_file

from strictio.errors import DataError
from strictio.weights.readers import safetensors_file

REPLACED = {
    "empty": b"", "cut": 10, "a header of 2^63 bytes": b"\xff" * 7 + b"\x7f{", "no table": b"\x02" + b"\0" * 7 + b"[]",
    "other values": b"\x08" + b"\0" * 7 + b'{"a":[]}', "a pipe": None,
}  # fmt: skip


@pytest.mark.parametrize("by", REPLACED)
def test_it_is_refused_by_name(by, tmp_path, monkeypatch):
    path, load = tmp_path / "m.safetensors", safetensors_file.load_file
    save_file({"a": torch.zeros(4)}, path)

    def loaded(*given):
        tensors, content = load(*given), REPLACED[by]
        content = path.read_bytes()[:content] if isinstance(content, int) else content
        path.unlink()
        os.mkfifo(path) if content is None else path.write_bytes(content)
        return tensors

    monkeypatch.setattr(safetensors_file, "load_file", loaded)
    with pytest.raises(DataError, match="is damaged"):
        safetensors_file.read_tensors(path)
