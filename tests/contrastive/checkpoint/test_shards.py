"""Checkpoints in pieces: written by some processes, read by others, complete or absent, and the same as one file in the end."""

import errno
import json
import os
import shutil
from pathlib import Path

import pytest
import torch

from contrastive.checkpoint import shards
from contrastive.checkpoint.file import load
from contrastive.checkpoint.shards import remove_old, write
from contrastive.config import read_config
from contrastive.train import main
from contrastive.training import checkpointing, loop
from contrastive.unshard import main as unshard_command
from contrastive.unshard import unshard
from strictio.errors import DataError, MachineError, UnsafeError, UsageError, VlmAuditError
from tests.support.spawn import spawn
from tests.support.training import SMALL_VIT, assert_same_bytes, run_text, train_and_die

pytestmark = pytest.mark.usefixtures("one_thread", "shapes_prepared_once")

RUN = run_text(
    SMALL_VIT,
    data="batch = 24; shift = 1; held_out = 0.02; patch_dropout = 0.25",
    optim='steps = 20; lr = 2e-4; warmup = 3; ema = 0.9; multipliers = {"^visual.conv1" = 0}',
    run="save_every = 5; log_every = 1; sharded = true",
)
DRAWN = {"rows": (7, 3), "few": (1, 4), "one": (1,), "number": (), "none": (0, 3)}
"""Seven rows and one row do not divide by two: one process has more, or all."""


def drawn():
    generator = torch.Generator().manual_seed(0)
    return {name: torch.randn(shape, generator=generator) for name, shape in DRAWN.items()}


def laid_out(tensors):
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.tensor import Replicate, Shard, distribute_tensor

    mesh = init_device_mesh("cpu", (torch.distributed.get_world_size(),))
    ways = {"rows": Shard(0), "few": Shard(0), "one": Replicate()}
    return {name: distribute_tensor(tensor, mesh, [ways[name]]) if name in ways else tensor for name, tensor in tensors.items()}


def write_some(root):
    write(Path(root), laid_out(drawn()), {"step": 3, "words": "a judge"})
    return 0


def read_some(folder):
    found = shards.open_shards(Path(folder))
    shards.check_hashes(found)
    tensors = laid_out({name: torch.zeros_like(tensor) for name, tensor in drawn().items()})
    shards.read_into(found, tensors)
    return {name: getattr(tensor, "full_tensor", lambda tensor=tensor: tensor)() for name, tensor in tensors.items()}


def saved(run, *overrides, steps=0):
    """Take some steps of a run and save its state."""
    inputs = loop.prepare(read_config(str(run), list(overrides)))
    go_on(training := loop.start(inputs), inputs, steps)
    return training, inputs


def go_on(training, inputs, steps=1):
    for _ in range(steps):
        loop.take_step(training, inputs)
    loop.save_run(training, inputs)


def names(root):
    return [path.name for path in shards.folders(root)]


def train(run, *options):
    return main([run, "--quiet", *options])


def damage(path):
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def test_what_two_processes_write_one_reads_and_the_other_way_round(tmp_path):
    spawn(write_some, 2, str(tmp_path))
    folder = tmp_path / "step-00000003"
    assert sorted(path.name for path in folder.iterdir()) == [
        "shard-00001-model-00001-of-00001.safetensors", "shard-00002-model-00001-of-00001.safetensors", "shards.json",
    ]  # fmt: skip
    found = shards.open_shards(folder)
    assert (found.step, found.content["words"]) == (3, "a judge")
    tensors = {name: torch.full_like(tensor, 9.0) for name, tensor in drawn().items()}
    shards.read_into(found, tensors)
    assert_same_bytes(tensors, drawn())
    alone = write(tmp_path / "alone", drawn(), {"step": 3})
    for result in spawn(read_some, 2, str(alone)):
        assert_same_bytes(result, drawn())


def test_a_folder_is_complete_or_absent(tmp_path, monkeypatch):
    write(tmp_path, drawn(), {"step": 1})

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(MachineError, match="cannot be written") as caught:
        write(tmp_path, drawn(), {"step": 2})
    assert "No space left" in caught.value.why
    monkeypatch.undo()
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000001"]  # nor is half of one left
    (tmp_path / ".step-00000002.tmp").mkdir()  # what a killed process leaves
    assert names(tmp_path) == ["step-00000001"]
    write(tmp_path, drawn(), {"step": 3})
    write(tmp_path, {"other": torch.ones(2)}, {"step": 3})  # in the place of it
    assert list(shards.open_shards(tmp_path / "step-00000003").layout) == ["other"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-00000001", "step-00000003"]
    remove_old(tmp_path, keep=1)
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000003"]
    remove_old(tmp_path, keep=0)
    assert not tmp_path.exists()


def test_an_older_folder_that_cannot_be_taken_away_is_said(tmp_path, monkeypatch):
    for step in (1, 2):
        (tmp_path / f"step-{step:08d}").mkdir()
        (tmp_path / f"step-{step:08d}" / "shards.json").touch()
    full = OSError(errno.ENOSPC, "No space left on device")
    monkeypatch.setattr(os, "replace", lambda *_, **__: (_ for _ in ()).throw(full))
    with pytest.raises(MachineError, match=r"cannot be written in the place of an older one .*\nwhy: No space left on device"):
        remove_old(tmp_path, keep=1)
    assert len(list(tmp_path.iterdir())) == 2


def test_where_there_is_nothing_nothing_is_put_together(tmp_path, capsys):
    assert unshard_command([str(tmp_path), str(tmp_path / "ckpt.pt")]) == 3
    assert "no complete sharded checkpoint" in capsys.readouterr().err


def test_damage_is_found(tmp_path):
    spawn(write_some, 2, str(tmp_path))
    folder = tmp_path / "step-00000003"
    first, second = sorted(folder.glob("*.safetensors"))
    good = second.read_bytes()
    damage(second)
    with pytest.raises(DataError, match="damaged") as caught:
        shards.check_hashes(shards.open_shards(folder))
    assert second.name in caught.value.why
    second.write_bytes(good[:-1])
    with pytest.raises(DataError, match="damaged"):
        shards.open_shards(folder)
    second.write_bytes(good)
    # Without the first process's file, and a manifest that does not speak of it: DCP itself would leave those rows as they are.
    told = json.loads((folder / "shards.json").read_text())
    first.unlink()
    del told["files"][first.name]
    (folder / "shards.json").write_text(json.dumps(told))
    with pytest.raises(DataError, match="incomplete") as caught:
        shards.open_shards(folder)
    assert "a part of" in caught.value.why
    (folder / "shards.json").write_text("[" * 100_000)
    with pytest.raises(DataError, match="not a complete sharded checkpoint"):
        shards.open_shards(folder)


def test_tensors_that_are_not_finite_or_of_other_names_or_shapes_are_refused(tmp_path):
    with pytest.raises(VlmAuditError, match="not saved"):
        write(tmp_path, {"w": torch.tensor([1.0, torch.nan])}, {"step": 1})
    assert not list(tmp_path.iterdir())
    found = shards.open_shards(write(tmp_path, {"w": torch.ones(2, 3)}, {"step": 1}))
    for other in ({"w": torch.ones(3, 2)}, {"w": torch.ones(2, 3), "v": torch.ones(1)}, {}):
        with pytest.raises(DataError, match="does not fit"):
            shards.read_into(found, other)


def test_a_pickle_is_never_opened(tmp_path, capsys):
    # DCP's usual kind, with a program in it: touching the canary would be what it does.
    canary = tmp_path / "canary"
    folder = write(tmp_path / "shards", drawn(), {"step": 1})
    (folder / ".metadata").write_bytes(b"cos\nsystem\n(V" + f"touch {canary}".encode() + b"\ntR.")
    with pytest.raises(UnsafeError, match="DCP"):
        shards.open_shards(folder)
    assert unshard_command([str(folder), str(tmp_path / "ckpt.pt")]) == 4
    assert ".metadata is a pickle" in capsys.readouterr().err
    assert not canary.exists()


def test_put_together_it_is_what_one_file_would_have_been(run, tmp_path):
    # Two runs of the same seven steps; one saves in one file, the other in pieces.
    found = {}
    for sharded in (False, True):
        out = tmp_path / f"out-{sharded}"
        saved(run, f"run.sharded={str(sharded).lower()}", f"run.out={out}", steps=7)
        found[sharded] = out
    assert not (found[True] / "ckpt.pt").exists()
    target = tmp_path / "whole.pt"
    assert unshard(found[True], target) == load(target).sha256
    single, whole = load(found[False] / "ckpt.pt"), load(target)
    assert_same_bytes(single.model.state_dict(), whole.model.state_dict())
    assert_same_bytes(single.ema, whole.ema)
    assert single.training["optimizer"].keys() == whole.training["optimizer"].keys()
    for name, moments in single.training["optimizer"].items():
        assert_same_bytes(moments, whole.training["optimizer"][name])
    assert all(single.training[part] == whole.training[part] for part in ("skipped", "loss_scale"))
    assert (single.config, single.preprocess, single.tokenizer.sha256) == (whole.config, whole.preprocess, whole.tokenizer.sha256)
    assert (single.step, single.data_card, single.head) == (whole.step, whole.data_card, whole.head) == (7, single.data_card, None)
    assert single.account["identity"] == whole.account["identity"]
    with pytest.raises(UsageError, match="exists"):
        unshard(found[True], target)
    # And a run goes on from either to the same end.
    (found[True] / "ckpt.pt").write_bytes(target.read_bytes())
    shutil.rmtree(found[True] / "shards")
    for out in found.values():
        assert main([str(run), "--quiet", "run.sharded=false", f"run.out={out}"]) == 0
    assert_same_bytes(*(load(out / "ckpt.pt").model.state_dict() for out in found.values()))


@pytest.mark.slow
def test_killed_resumed_and_resumed_by_another_number_of_processes(run, tmp_path):
    together = ["run.dist=fsdp2", "optim.accumulate=2"]
    straight, broken, alone = (tmp_path / name for name in ("straight", "broken", "alone"))
    assert spawn(train, 2, str(run), *together, f"run.out={straight}") == [0, 0]
    assert not (straight / "shards").exists()  # finished: all is in ckpt.pt
    with pytest.raises(VlmAuditError, match="ended with -9"):
        spawn(train_and_die, 2, 12, str(run), *together, f"run.out={broken}")
    assert names(broken / "shards") == ["step-00000010", "step-00000005"]
    assert not (broken / "ckpt.pt").exists()
    shutil.copytree(broken, alone)
    assert spawn(train, 2, str(run), *together, f"run.out={broken}") == [0, 0]
    assert main([str(run), "--quiet", f"run.out={alone}"]) == 0
    first, resumed, single = (load(out / "ckpt.pt") for out in (straight, broken, alone))
    assert (resumed.step, resumed.training, resumed.account["held_out"]) == (20, None, first.account["held_out"])
    assert_same_bytes(first.model.state_dict(), resumed.model.state_dict())
    assert_same_bytes(first.ema, resumed.ema)
    for name, tensor in first.model.state_dict().items():
        # Sums in another order round otherwise; AdamW moves by the rate whatever the gradient's size: at this rate 1e-6 holds.
        assert (tensor - single.model.state_dict()[name]).abs().max() < 1e-6, name


@pytest.mark.slow
def test_a_damaged_state_is_passed_over_and_said(run, tmp_path, capsys):
    go_on(*saved(run, steps=5), steps=5)
    newest = shards.folders(tmp_path / "out" / "shards")[0]
    damage(next(newest.glob("*.safetensors")))
    assert main([str(run), "--quiet", "run.save_every=6"]) == 0
    shown = capsys.readouterr()
    assert "warning: skipped: the sharded checkpoint is damaged" in shown.err
    assert "20 steps, from step 5" in shown.out
    assert load(tmp_path / "out" / "ckpt.pt").step == 20


def test_a_later_state_than_the_runs_own_goes(run, tmp_path):
    # Of a run that this one replaces, or damaged and passed over: it must not be the newest again when this one is killed.
    training, inputs = saved(run, steps=1)
    root = tmp_path / "out" / "shards"
    write(root, drawn(), {"step": 91})
    go_on(training, inputs)
    write(root, drawn(), {"step": 92})
    assert names(root) == ["step-00000092", "step-00000002", "step-00000001"]
    go_on(training, inputs)
    assert names(root) == ["step-00000003", "step-00000002"]


def test_another_configuration_or_nothing_to_take_up_is_said_and_nothing_is_overwritten(run, tmp_path, capsys):
    saved(run)
    assert main([str(run), "--quiet", "optim.lr=1e-3"]) == 2
    assert "why: optim.lr was 0.0002, now 0.001" in capsys.readouterr().err
    (folder,) = shards.folders(tmp_path / "out" / "shards")
    damage(next(folder.glob("*.safetensors")))
    assert main([str(run), "--quiet"]) == 3
    assert "fix: start again with --fresh" in capsys.readouterr().err
    assert folder.exists()


@pytest.mark.slow
def test_the_setting_may_change_and_the_newer_state_counts(run, tmp_path):
    out = tmp_path / "out"

    def save_after(steps, sharded):
        inputs = loop.prepare(read_config(str(run), [f"run.sharded={sharded}"]))
        found = checkpointing.newest_state(out)
        go_on(loop.resume(inputs, found, out) if found else loop.start(inputs), inputs, steps)
        return checkpointing.newest_state(out).step, (out / "ckpt.pt").exists(), names(out / "shards")

    assert save_after(2, "true") == (2, False, ["step-00000002"])
    assert save_after(1, "false") == (3, True, [])
    assert save_after(1, "true") == (4, False, ["step-00000004"])
    assert save_after(1, "true") == (5, False, ["step-00000005", "step-00000004"])
    assert save_after(1, "true") == (6, False, ["step-00000006", "step-00000005"])


@pytest.mark.slow
def test_a_fresh_run_is_not_taken_for_the_one_it_replaces(run, tmp_path):
    assert main([str(run), "--quiet"]) == 0
    (later := tmp_path / "out" / "shards" / "step-00000099").mkdir(parents=True)
    (later / "shards.json").write_text("{}")
    saved(run, steps=1)
    assert checkpointing.newest_state(tmp_path / "out").step == 1  # not 20, nor 99


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"step": -5}, "-5 steps were taken"), ({"step": "x"}, "steps were taken"), ({"step": 10**30}, "steps were taken"),
        ({"training": {"skipped": 0, "loss_scale": [float("nan"), 1]}}, "does not say where the run stood"), ({"training": 1}, "stood"),
    ],
)  # fmt: skip
def test_a_state_that_cannot_be_is_refused(run, tmp_path, change, words):
    _, inputs = saved(run)
    path = tmp_path / "out" / "shards" / "step-00000000" / "shards.json"
    told = json.loads(path.read_text())
    path.write_text(json.dumps({**told, "content": {**told["content"], **change}}))
    with pytest.raises(DataError, match=words):
        loop.resume(inputs, checkpointing.newest_state(tmp_path / "out"), path)


def test_whoever_wants_a_model_is_sent_to_the_converter(tmp_path):
    from audit.models import load as load_encoder

    folder = write(tmp_path, drawn(), {"step": 1})
    for reader in (load_encoder, load):
        with pytest.raises(DataError, match=r"sharded|folder") as caught:
            reader(str(folder))
        assert f"python -m contrastive.unshard {folder} ckpt.pt" in caught.value.fix
