"""The numbers of a safetensors file, counted exactly though they stream by in pieces."""

import pytest
import torch
from safetensors.torch import save_file

from audit.errors import DataError
from contrastive.formats.readers import safetensors_file as values
from contrastive.formats.readers.safetensors_file import check_values


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
