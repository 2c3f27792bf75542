"""Weights & Biases, offline: the numbers of the log, in one run over a resumption; and what is said where it is not installed."""

import json
import sys

import pytest

from contrastive.train import main
from contrastive.training import loop
from tests.support.training import TINY_CONV, logged_events, run_text

pytestmark = pytest.mark.usefixtures("one_thread", "shapes_prepared_once")

RUN = run_text(TINY_CONV, data="batch = 24; held_out = 0.02", optim="steps = 6; lr = 1e-3", run="log_every = 1; save_every = 2")


def records(content):
    """Yield the records of a file of wandb: LevelDB's log format after 7 bytes of its own, in blocks of 32 KiB."""
    at, parts = 7, []
    while at + 7 <= len(content):
        if (left := 32768 - at % 32768) < 7:
            at += left
            continue
        length, kind = int.from_bytes(content[at + 4 : at + 6], "little"), content[at + 6]
        parts.append(content[at + 7 : at + 7 + length])
        at += 7 + length
        if kind in (1, 4):  # whole, or the last part
            yield b"".join(parts)
            parts = []


def history(folder):
    """Return id and curves of the runs that wandb has left in a folder, in the order of their making."""
    from wandb.proto import wandb_internal_pb2

    ids, points = set(), {}
    for path in sorted(folder.glob("wandb/offline-run-*/*.wandb"), key=lambda path: path.stat().st_mtime):
        for content in records(path.read_bytes()):
            record = wandb_internal_pb2.Record()
            record.ParseFromString(content)
            if record.run.run_id:
                ids.add(record.run.run_id)
            items = {item.nested_key[0] if item.nested_key else item.key: json.loads(item.value_json) for item in record.history.item}
            if items:
                points[items["_step"]] = points.get(items["_step"], {}) | items
    return ids, points


def test_offline_it_has_the_numbers_of_the_log_also_after_a_stop(run, tmp_path, monkeypatch):
    pytest.importorskip("wandb", reason="wandb is not installed (pip install wandb)")
    for name, value in (("WANDB_MODE", "offline"), ("WANDB_CACHE_DIR", str(tmp_path)), ("WANDB_CONFIG_DIR", str(tmp_path))):
        monkeypatch.setenv(name, value)
    take = loop.take_step

    def stopping(training, *rest):
        if training.step == 5:
            raise KeyboardInterrupt
        return take(training, *rest)

    monkeypatch.setattr(loop, "take_step", stopping)
    assert main([run, "--quiet", "run.wandb=mine"]) == 130
    monkeypatch.setattr(loop, "take_step", take)
    assert main([run, "--quiet", "run.wandb=mine"]) == 0
    ids, points = history(tmp_path / "out")
    events = logged_events(tmp_path / "out")
    assert len(ids) == 1
    assert {line["step"]: line["loss"] for line in events if line["event"] == "step"} == {
        step: points[step]["loss"] for step in range(1, 7)
    }
    assert points[6]["held_out/loss"] == events[-1]["held_out"]["loss"]


def test_where_it_is_not_installed_that_is_said(run, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "wandb", None)  # which is what importing something absent meets
    assert main([run, "--quiet", "run.wandb=mine"]) == 2
    assert "error: run.wandb needs the package wandb\n" in (shown := capsys.readouterr().err)
    assert "fix: python -m pip install wandb, or leave out run.wandb" in shown
