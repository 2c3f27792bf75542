"""Rows F16 to F18: a training run whose process, number or file breaks in the middle."""

import json
import math
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from contrastive.checkpoint.file import load
from contrastive.train import main
from contrastive.training import loop
from tests.support.bench import ROOT
from tests.support.forked import Forked
from tests.support.torchrun import die_in_torchrun
from tests.support.training import COLOURED_SHAPES, SMALL_VIT, assert_same_bytes, finish_in_a_group, logged_events, run_text

pytestmark = pytest.mark.usefixtures("one_thread")

RUN = COLOURED_SHAPES


def losses(folder):
    return [(line["step"], line["loss"]) for line in logged_events(folder) if line["event"] == "step"]


@pytest.mark.slow  # tests/contrastive/distributed/test_torchrun.py kills and resumes two processes, too
@pytest.mark.skipif(not Path("/proc").is_dir(), reason="finds the processes through /proc")
def test_f16_a_killed_process_ends_the_run_by_name_and_the_resumed_one_has_the_unbroken_curve(tmp_path):
    data, optim = "batch = 24; shift = 1; held_out = 0.02", "steps = 30; lr = 2e-4; warmup = 3"
    run, out, whole = tmp_path / "run.toml", tmp_path / "out", tmp_path / "whole"
    run.write_text(run_text(SMALL_VIT, data=data, optim=optim, run="save_every = 10; log_every = 1", out=str(out)))
    started = time.monotonic()
    die_in_torchrun(str(run), out)
    assert time.monotonic() - started < 60 + 30  # a slow machine takes half a minute until the first state is saved
    status = json.loads((out / "status.json").read_text())
    assert (status["process"], status["processes"], status["exit_code"]) == (0, 2, 5)
    assert "another process of this run has ended" in status["reason"]
    assert 0 < load(out / "ckpt.pt").step < 30
    assert "2 processes (ddp)" in finish_in_a_group(str(run), out)
    assert main([str(run), "--quiet", f"run.out={whole}"]) == 0
    # Two processes sum in another order than one: equal up to float32's rounding, which AdamW does not forget.
    (steps, found), (same, expected) = (zip(*losses(folder), strict=True) for folder in (out, whole))
    assert steps == same
    assert found == pytest.approx(expected, rel=1e-4)
    assert not (out / "status.json").exists()


@pytest.mark.slow
def test_f17_a_loss_that_is_no_number_ends_the_run_and_the_last_good_checkpoint_stays(run, tmp_path, monkeypatch, capsys):
    take, bad_from = loop.take_step, 7

    def poisoned(training, *rest):
        if training.step == bad_from:
            next(training.model.parameters()).data.fill_(math.nan)
        return take(training, *rest)

    monkeypatch.setattr(loop, "take_step", poisoned)
    assert main([run, "--quiet", "run.save_every=1", "run.keep_every=1"]) == 70
    shown = capsys.readouterr().err
    assert "diverged" in shown
    assert "Traceback" not in shown
    kept = {path.name: load(path) for path in (tmp_path / "out").glob("*.pt")}
    assert kept["ckpt.pt"].step == bad_from
    for name, checkpoint in kept.items():
        assert all(weight.isfinite().all() for weight in checkpoint.model.state_dict().values()), name
    monkeypatch.undo()
    assert main([run, "--quiet", "run.save_every=1", "run.keep_every=1"]) == 0
    assert f"from step {bad_from}" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize("kills", [1, pytest.param(30, marks=pytest.mark.slow)])
def test_f18_killed_while_saving_and_run_again_it_ends_as_an_unbroken_run(run, tmp_path, kills):
    out, whole, moments = tmp_path / "out", tmp_path / "whole", random.Random(1)
    options = ["--quiet", "run.save_every=1", f"optim.steps={20 * kills}"]
    assert main([run, *options, f"run.out={whole}"]) == 0
    line = [sys.executable, "-m", "contrastive.train", run, *options]
    for _ in range(kills):
        process = Forked(line, cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1"}, stdout=subprocess.DEVNULL)
        before = saved = (out / "ckpt.pt").stat().st_mtime_ns if (out / "ckpt.pt").exists() else 0
        while saved == before and process.poll() is None:  # every step is saved: from the first one on, any moment may be within a save
            time.sleep(0.002)
            saved = (out / "ckpt.pt").stat().st_mtime_ns if (out / "ckpt.pt").exists() else 0
        time.sleep(moments.uniform(0, 0.3))
        process.send_signal(signal.SIGKILL)
        process.wait(60)
        assert load(out / "ckpt.pt").step > 0
    assert main([run, *options]) == 0
    assert_same_bytes(*(load(folder / "ckpt.pt").model.state_dict() for folder in (out, whole)))
    assert losses(out) == losses(whole)
