"""Training on a disk that fails, and killed at any moment: nothing is lost, nothing half written is taken for whole, the end is the same.

Every point of failure and sixty kills take minutes: ``pytest -m slow tests/contrastive/training/test_faults.py``. By default a few are
taken.
"""

import os
import random
import shutil
import signal
import time
from pathlib import Path

import pytest
import torch

from contrastive.checkpoint.file import load
from contrastive.train import main
from strictio.errors import VlmAuditError
from tests.support.faults import Disk
from tests.support.made_once import made_once
from tests.support.spawn import spawn
from tests.support.training import SMALL_VIT, TINY_CONV, assert_same_bytes, logged_events, run_text

pytestmark = pytest.mark.usefixtures("one_thread", "shapes_prepared_once")
STEPS = 4
EVERY = 70  # of some 600 writes of a checkpoint
OPTIM, RUN = "steps = STEPS; lr = 2e-3; warmup = 2; ema = 0.9", "save_every = 1; log_every = 1"
ONE_FILE = run_text(TINY_CONV, data="batch = 24; held_out = 0", optim=OPTIM, run=RUN)
SHARDED = run_text(SMALL_VIT, data="batch = 24; held_out = 0", optim=OPTIM, run=f"{RUN}; sharded = true")
KINDS = {"one file": ONE_FILE, "sharded": SHARDED}
slow = pytest.mark.slow


def write_run(folder, kind, steps=STEPS):
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "run.toml"
    path.write_text(KINDS[kind].replace("STEPS", str(steps)).replace("OUT", str(folder / "out")))
    return path


def train(run):
    return main([str(run), "--quiet"])


def train_on(run, fail_at):
    """In a process of its own: train on a disk whose n-th operation kills it."""
    with Disk(fail_at, kill=True, every=EVERY).plugged_in():
        return train(run)


def train_until(run, delay):
    """In a process of its own: train, and be killed from outside after so many seconds."""
    victim = os.getpid()
    if os.fork() == 0:
        time.sleep(delay)
        if os.getppid() == victim:
            os.kill(victim, signal.SIGKILL)
        os._exit(0)
    return train(run)


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    """Return folders with an unbroken run of each kind, and about how many operations one takes: what it counts of itself may vary."""
    torch.set_num_threads(1)

    def make(folder):
        for kind in KINDS:
            with Disk(every=EVERY).plugged_in() as disk:
                assert train(write_run(folder / kind, kind)) == 0
            (folder / kind / "operations").write_text(str(disk.count))

    return made_once(tmp_path_factory, "unbroken_runs", make)


def operations(unbroken, kind):
    return int((unbroken / kind / "operations").read_text())


def assert_same_end(run, unbroken):
    """The model, its average and every step's loss are those of the unbroken run, to the bit; nothing else lies around."""
    found, expected = (load(folder / "out" / "ckpt.pt") for folder in (run.parent, unbroken))
    assert (found.step, found.training, found.account["samples"]) == (STEPS, None, STEPS * 24)
    assert_same_bytes(found.model.state_dict(), expected.model.state_dict())
    assert_same_bytes(found.ema, expected.ema)
    curves = [[(e["step"], e["loss"]) for e in logged_events(f / "out") if e["event"] == "step"] for f in (run.parent, unbroken)]
    assert curves[0] == curves[1]
    assert len(curves[0]) == STEPS
    assert logged_events(run.parent / "out")[-1]["event"] == "end"


def saved_step(run):
    """Return the step of what would be resumed, -1 without; a state that is there can be read."""
    from contrastive.training.checkpointing import newest_state

    state = newest_state(run.parent / "out", warn=lambda words: pytest.fail(words))
    return -1 if state is None else state.step


def chosen(points, count):
    """Return some of the points, the same each time."""
    return sorted(random.Random(0).sample(points, min(count, len(points))))


def fail_at(folder, kind, unbroken, point, capsys):
    """Train on a disk that fails once, and train on to the end; return which operation failed, nothing if the run took fewer."""
    run = write_run(folder, kind)
    with Disk(point, every=EVERY).plugged_in() as disk:
        code = train(run)
    said = capsys.readouterr().err
    if not disk.failed:
        assert code == 0
        return ""
    assert code == 5, (point, disk.failed, said)
    assert "cannot be written" in said
    assert "No space left on device" in said or "MiB are free" in said
    saved_step(run)  # can be read, whatever it is
    assert train(run) == 0
    assert_same_end(run, unbroken / kind)
    shutil.rmtree(folder)
    return disk.failed


@pytest.mark.slow_except("one file")
@pytest.mark.parametrize("kind", KINDS)
def test_a_disk_that_fails_loses_nothing(unbroken, tmp_path, capsys, kind):
    points = range(1, operations(unbroken, kind) - 5)
    assert len(points) >= 50
    for point in chosen(points, 3):
        assert fail_at(tmp_path / str(point), kind, unbroken, point, capsys)
    for point in (operations(unbroken, kind) - 1, operations(unbroken, kind)):  # the end of the log, torn
        fail_at(tmp_path / str(point), kind, unbroken, point, capsys)


@slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_disk_that_fails_at_any_operation_loses_nothing(unbroken, tmp_path, capsys, kind):
    failed = []
    while found := fail_at(tmp_path / str(len(failed)), kind, unbroken, len(failed) + 1, capsys):
        failed.append(found)
    assert len(failed) >= 50
    assert {"write", "fsync", "replace", "create", "chmod"} <= set(failed)


def kill_at(folder, kind, unbroken, point):
    run = write_run(folder, kind)
    with pytest.raises(VlmAuditError, match="ended with -9"):
        spawn(train_on, 1, str(run), point, group=False)
    saved_step(run)  # can be read, whatever it is
    assert train(run) == 0
    assert_same_end(run, unbroken / kind)
    shutil.rmtree(folder)


@pytest.mark.slow_except("sharded")
@pytest.mark.parametrize("kind", KINDS)
def test_a_kill_while_saving_loses_nothing(unbroken, tmp_path, kind):
    for point in chosen(range(1, operations(unbroken, kind) - 5), 2):
        kill_at(tmp_path / str(point), kind, unbroken, point)


@slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_kill_at_any_operation_of_saving_loses_nothing(unbroken, tmp_path, kind):
    for point in range(1, operations(unbroken, kind) - 5):
        kill_at(tmp_path / str(point), kind, unbroken, point)


def kills(tmp_path, unbroken, kind, count, longest_s):
    """Kill runs at random moments until so many kills hit; every run that ends is the unbroken one. Returns kills and ends."""
    rng, hits, ends = random.Random(1), 0, 0
    run, saved = write_run(tmp_path / "0", kind), -1
    while hits < count:
        try:
            assert spawn(train_until, 1, str(run), rng.uniform(0, longest_s), group=False) == [0]
        except VlmAuditError as error:
            if "ended with -9" not in error.what:
                raise
            hits += 1
            before, saved = saved, saved_step(run)
            assert saved >= before  # a state that was there is there
        else:
            assert_same_end(run, unbroken / kind)
            ends += 1
            run, saved = write_run(tmp_path / str(ends), kind), -1
    assert train(run) == 0
    assert_same_end(run, unbroken / kind)
    return hits, ends + 1


@pytest.mark.slow_except("one file")
@pytest.mark.parametrize("kind", KINDS)
def test_kills_at_random_moments_change_nothing(unbroken, tmp_path, kind):
    kills(tmp_path, unbroken, kind, 2, 0.6)


@slow
@pytest.mark.parametrize("kind", KINDS)
def test_sixty_kills_at_random_moments_change_nothing(unbroken, tmp_path, kind):
    began = time.monotonic()
    assert train(write_run(tmp_path / "timed", kind)) == 0
    hits, ends = kills(tmp_path, unbroken, kind, 60, 1.2 * (time.monotonic() - began))
    assert hits == 60
    assert Path(tmp_path / str(ends - 1)).exists()
