"""Two real processes: one is killed, the run is resumed by two and by one, and the model is audited."""

import contextlib
import json
import os
import shutil
import socket
from pathlib import Path

import pytest

from audit.run import main as audit_command
from contrastive import distributed
from contrastive.checkpoint.file import load
from contrastive.train import main
from contrastive.training import loop
from strictio.errors import DataError, VlmAuditError
from tests.support.spawn import spawn
from tests.support.torchrun import ROOT
from tests.support.training import SMALL_VIT, finish_in_a_group, logged_events, run_text, train_and_die

pytestmark = pytest.mark.usefixtures("one_thread")

RUN = run_text(
    SMALL_VIT,
    data="batch = 24; shift = 1; held_out = 0.02; patch_dropout = 0.25",
    optim="steps = 30; lr = 2e-4; warmup = 3; ema = 0.9",
    loss="tile = 5",
    run="save_every = 10; log_every = 1",
)


def tensors(checkpoint):
    return {**checkpoint.model.state_dict(), **{f"ema of {name}": tensor for name, tensor in checkpoint.ema.items()}}


def largest_difference(one, other):
    first, second = tensors(one), tensors(other)
    assert first.keys() == second.keys()
    return max((first[name].double() - second[name].double()).abs().max().item() for name in first)


def train_until_the_second_dies(run, *options):
    return train_and_die(12 if distributed.rank() == 1 else None, run, *options)


def die_in_a_group(run, out, *options):
    """The same by two forked processes, which start in no time."""
    with pytest.raises(VlmAuditError, match="process 1 of 2 ended with -9"):
        spawn(train_until_the_second_dies, 2, run, f"run.out={out}", *options, grace_s=30.0)


@pytest.mark.slow
def test_two_processes_are_killed_resumed_and_audited(run, tmp_path, capsys):
    """By torchrun, each with the whole model: row F16 of `tests/acceptance`."""
    out = tmp_path / "out"
    options = ["run.dist=fsdp2", "optim.accumulate=2"]
    die_in_a_group(run, out, *options)
    status = json.loads((out / "status.json").read_text())
    assert (status["process"], status["processes"], status["exit_code"]) == (0, 2, 5)
    assert "another process of this run has ended" in status["reason"]
    assert 0 < load(out / "ckpt.pt").step < 30
    assert load(out / "ckpt.pt").training is not None

    alone = tmp_path / "alone"
    shutil.copytree(out, alone)
    assert main([run, "--quiet", f"run.out={alone}"]) == 0
    assert "from step" in capsys.readouterr().out
    said = finish_in_a_group(run, out, *options)
    assert "2 processes (fsdp2)" in said
    assert said.count("took   30 steps") == 1  # one of them speaks
    assert not (out / "status.json").exists()

    together, single = load(out / "ckpt.pt"), load(alone / "ckpt.pt")
    assert together.step == single.step == 30
    # Sums in another order round otherwise in float32, and AdamW moves by the rate whatever the gradient's size: at this rate 1e-6 holds.
    assert largest_difference(together, single) < 1e-6
    assert together.account["held_out"] == pytest.approx(single.account["held_out"], rel=1e-4)
    assert [line["event"] for line in logged_events(out)].count("end") == 1
    assert audit_command(["--model", str(out / "ckpt.pt"), "--probe", "emoji", "--out", str(tmp_path / "audit"), "--limit", "40"]) == 0
    assert json.loads((tmp_path / "audit" / "results.json").read_text())
    assert (tmp_path / "audit" / "report.html").stat().st_size > 10_000


def fail_on_the_second(run):
    def refuse(config, **_):
        if distributed.rank() == 1:
            raise OSError("the disk of the second machine")
        distributed.barrier()  # the first one waits for what never comes

    loop.prepare = refuse
    code = main([run, "--quiet"])
    os._exit(0 if code == {"0": 5, "1": 70}[os.environ["RANK"]] else 1)  # without the others no orderly end


def test_status_names_the_process_that_failed_first(run, tmp_path):
    with pytest.raises(DataError):  # neither process lives to write a result
        spawn(fail_on_the_second, 2, run)
    status = json.loads((tmp_path / "out" / "status.json").read_text())
    assert (status["process"], status["processes"], status["exit_code"], status["error"]) == (1, 2, 70, "OSError")
    assert status["reason"] == "the disk of the second machine"


def test_a_batch_that_the_processes_cannot_share_is_refused_at_once(run, monkeypatch, capsys):
    monkeypatch.setattr(distributed, "world_size", lambda: 5)
    assert main([run, "--quiet"]) == 2
    shown = capsys.readouterr().err
    assert "5 processes cannot share a batch of 24 evenly" in shown
    assert "fix: data.batch=20" in shown
    monkeypatch.setattr(distributed, "world_size", lambda: 2)
    assert main([run, "--quiet", "optim.accumulate=13"]) == 2
    assert "12 pairs a process cannot be taken in 13 parts" in capsys.readouterr().err


def test_shares_of_a_batch_are_its_rows_in_order(monkeypatch):
    from contrastive.distributed import processes as distributed

    monkeypatch.setattr(distributed, "world_size", lambda: 3)
    shares = []
    for number in range(3):
        monkeypatch.setattr(distributed, "rank", lambda number=number: number)
        shares.append(list(range(12))[distributed.rank_slice(12)])
    assert shares == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]


def be_a_machine(lines, folder):
    """Take the first line that nobody has taken; torchrun is in a process that has imported torch already, its worker starts anew."""
    from torch.distributed import run as torchrun

    for number, words in enumerate(lines):
        with contextlib.suppress(FileExistsError), Path(folder, f"said{number}").open("xb") as said:
            os.dup2(said.fileno(), 1)  # of the worker as well
            return torchrun.main(words)
    return None


@pytest.mark.slow
def test_two_machines_as_the_docs_have_them_are_one_run(run, tmp_path, monkeypatch):
    """Two launches of one process each, which find each other as two machines do; the words are the docs' own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    lines = [line for line in (ROOT / "docs" / "training.md").read_text("utf-8").splitlines() if line.startswith("torchrun --nnodes 2")]
    assert len(lines) == 2
    here, few = {"HOST": "127.0.0.1", "29500": port, "8": "1", "my.toml": run}, ["--quiet", "optim.steps=4", "data.held_out=0.0"]
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    spawn(be_a_machine, 2, [[*(here.get(word, word) for word in line.split()[1:]), *few] for line in lines], str(tmp_path), group=False)
    assert str(tmp_path / "out" / "ckpt.pt") in (tmp_path / "said0").read_text()
    assert (tmp_path / "said1").read_text() == ""  # one machine speaks
    assert main([run, *few, f"run.out={tmp_path / 'alone'}"]) == 0
    assert largest_difference(*(load(tmp_path / name / "ckpt.pt") for name in ("out", "alone"))) < 1e-5
