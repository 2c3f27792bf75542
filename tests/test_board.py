"""TensorBoard: nothing without it, the right points with it."""

import sys
import types

import pytest

from contrastive.board import Board


class Writer:
    def __init__(self, folder, purge_step=None):
        self.folder, self.purge_step, self.points, self.closed = folder, purge_step, [], False

    def add_scalar(self, name, value, step):
        self.points.append((name, value, step))

    def close(self):
        self.closed = True


@pytest.fixture
def installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", types.SimpleNamespace(SummaryWriter=Writer))


def test_without_tensorboard_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)  # importing it fails
    board = Board.open(tmp_path / "board")
    board.write(1, {"loss": 1.0})
    board.close()
    assert board.writer is None
    assert list(tmp_path.iterdir()) == []


def test_every_known_number_is_a_point(installed, tmp_path):
    board = Board.open(tmp_path)
    board.write(3, {"step": 3, "loss": 1.5, "energy_j": None, "grad_norm": float("nan"), "mfu": 0.25})
    board.close()
    assert board.writer.points == [("loss", 1.5, 3), ("mfu", 0.25, 3)]
    assert board.writer.closed


def test_a_resumed_run_hides_what_the_killed_one_wrote_beyond_its_state(installed, tmp_path):
    assert (Board.open(tmp_path).writer.purge_step, Board.open(tmp_path, step=40).writer.purge_step) == (None, 41)
