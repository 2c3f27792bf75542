"""How cores are shared: by the quota of a container, not by what it sees."""

import os

import pytest
import torch

from audit.embedding import cores
from audit.embedding.cores import computing_with, on_all_cores, shared


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


def test_work_is_given_in_order_and_no_more_items_are_taken_than_cores_can_work_on(monkeypatch):
    monkeypatch.setattr(cores, "cores", lambda: 3)
    taken = []

    def items():
        for number in range(100):
            taken.append(number)
            yield number

    assert list(on_all_cores(lambda number: number * 2, items())) == list(range(0, 200, 2))
    assert list(on_all_cores(str, [])) == []
    taken.clear()
    found = on_all_cores(lambda number: 1 // (7 - number), items())
    assert [next(found) for _ in range(6)] == [0] * 6
    assert len(taken) == 9
    with pytest.raises(ZeroDivisionError):
        [next(found) for _ in range(2)]
