"""How cores are shared: by the quota of a container, not by what it sees."""

import os

import pytest
import torch

from audit.embedding import cores
from audit.embedding.cores import by_pieces, computing_with, shared


@pytest.mark.parametrize(
    ("quota", "expected"), [("200000 100000", 2), ("150000 100000", 2), ("10000 100000", 1), ("max 100000", 64), ("rubbish", 64)]
)
def test_a_container_uses_what_it_may_of_64_cores(tmp_path, monkeypatch, quota, expected):
    (tmp_path / "cpu.max").write_text(quota)
    monkeypatch.setattr(cores, "QUOTA", tmp_path / "cpu.max")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)), raising=False)
    assert cores.cores() == expected


def test_without_a_quota_it_is_what_the_process_may_run_on(tmp_path, monkeypatch):
    monkeypatch.setattr(cores, "QUOTA", tmp_path / "absent")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3, 5, 7}, raising=False)
    assert cores.cores() == 3


def test_an_accelerator_gets_a_decoder_a_core():
    assert shared(16, accelerator=True) == (16, 1)
    assert shared(16, accelerator=False) == (8, 16)


def test_torch_gets_fewer_threads_and_has_its_own_again_afterwards():
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    try:
        with computing_with(2) as threads:
            assert (threads, torch.get_num_threads()) == (2, 2)
        assert torch.get_num_threads() == 4
        with computing_with(8) as threads:  # somebody has said four
            assert (threads, torch.get_num_threads()) == (4, 4)
    finally:
        torch.set_num_threads(before)


def test_every_piece_is_worked_on_and_the_first_error_is_raised(monkeypatch):
    monkeypatch.setattr(cores, "cores", lambda: 3)
    seen = [0] * 10

    def work(piece):
        for row in range(10)[piece]:
            seen[row] += 1

    by_pieces(work, 10, 4)
    assert seen == [1] * 10
    by_pieces(work, 0, 4)
    with pytest.raises(ValueError, match="piece 4"):
        by_pieces(lambda piece: int(f"piece {piece.start}") if piece.start else None, 10, 4)
