"""TensorBoard: nothing without it, the right points with it."""

import sys
import types
from pathlib import Path

import pytest

from contrastive.checkpoint.file import load
from contrastive.train import main
from contrastive.training import loop
from contrastive.training.logs import TensorBoard
from strictio.folders import Folder
from tests.support.training import TINY_VIT, after, logged_events, prepared, run_text

pytestmark = pytest.mark.usefixtures("one_thread", "shapes_prepared_once")

RUN = run_text(TINY_VIT, data="batch = 24; held_out = 0.02", optim="steps = 5; lr = 1e-3", run="log_every = 2")


class Writer:
    def __init__(self, folder, purge_step=None, filename_suffix=""):
        self.folder, self.purge_step, self.points, self.closed = str(Path(folder).resolve()), purge_step, [], False
        self.suffix = filename_suffix

    def add_scalar(self, name, value, step):
        self.points.append((name, value, step))

    def close(self):
        self.closed = True


@pytest.fixture
def opened(monkeypatch):
    """The writers of a TensorBoard that is made to look installed."""
    writers = []

    def writer(*arguments, **options):
        writers.append(Writer(*arguments, **options))
        return writers[-1]

    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", types.SimpleNamespace(SummaryWriter=writer))
    return writers


def test_without_tensorboard_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)  # importing it fails
    tensorboard = TensorBoard.open(Folder.of(tmp_path))
    tensorboard.write(1, {"loss": 1.0})
    tensorboard.close()
    assert tensorboard.writer is None
    assert list(tmp_path.iterdir()) == []


def test_every_known_number_is_a_point_and_what_a_killed_run_wrote_beyond_its_state_is_hidden(opened, tmp_path):
    tensorboard = TensorBoard.open(Folder.of(tmp_path))
    tensorboard.write(3, {"step": 3, "loss": 1.5, "energy_j": None, "grad_norm": float("nan"), "mfu": 0.25})
    tensorboard.close()
    assert tensorboard.writer.points == [("loss", 1.5, 3), ("mfu", 0.25, 3)]
    assert tensorboard.writer.closed
    assert (tensorboard.writer.purge_step, TensorBoard.open(Folder.of(tmp_path), step=40).writer.purge_step) == (None, 41)


def logged(folder):
    """Return what the log of record says: step -> numbers, and the held-out measures."""
    lines = logged_events(folder)
    return {line["step"]: line for line in lines if line["event"] == "step"}, lines[-1]["held_out"]


@pytest.mark.slow
def test_a_run_draws_what_it_logs(run, tmp_path, opened):
    assert main([run, "--quiet"]) == 0
    training, end = opened
    assert all(writer.closed for writer in opened)
    assert training.folder == end.folder == str(tmp_path / "out" / "tensorboard")
    steps, held_out = logged(tmp_path / "out")
    assert sorted(steps) == [2, 4, 5]
    for name in ("loss", "lr", "grad_norm", "logit_scale", "samples_per_s", "mfu", "data_wait", "peak_memory_mib"):
        assert [(value, step) for point, value, step in training.points if point == name] == [(steps[s][name], s) for s in (2, 4, 5)]
    assert {name: value for name, value, _ in end.points} == {f"held_out/{name}": held_out[name] for name in held_out if name != "pairs"}


def test_a_resumed_run_goes_on_drawing_behind_its_saved_state(run, tmp_path, opened):
    inputs = prepared(run)
    training, _ = after(inputs, 3)
    loop.save_run(training, inputs)
    assert load(tmp_path / "out" / "ckpt.pt").step == 3
    assert main([run, "--quiet"]) == 0
    assert opened[0].purge_step == 4
    assert {step for _, _, step in opened[0].points} == {4, 5}


def test_real_event_files_hold_the_curves(run, tmp_path):
    reading = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator", reason="TensorBoard is not installed")
    assert main([run, "--quiet"]) == 0
    found = reading.EventAccumulator(str(tmp_path / "out" / "tensorboard"))
    found.Reload()
    steps, held_out = logged(tmp_path / "out")
    assert [(event.step, event.value) for event in found.Scalars("loss")] == [(s, pytest.approx(steps[s]["loss"])) for s in (2, 4, 5)]
    assert found.Scalars("held_out/loss")[0].value == pytest.approx(held_out["loss"])
