"""The folder of a run holds links that somebody planted: what they name is as it was."""

import sys
import types

import pytest
import torch

from contrastive.checkpoint.file import load
from contrastive.checkpoint.shards import write
from contrastive.export import main as export
from contrastive.train import main
from strictio.errors import UnsafeError
from tests.support.tiny import write_checkpoint
from tests.support.training import SMALL_VIT, logged_events, run_text

pytestmark = pytest.mark.usefixtures("one_thread", "shapes_prepared_once")

RUN = run_text(SMALL_VIT, data="batch = 24; held_out = 0", optim="steps = 2; lr = 1e-3", run="save_every = 1; log_every = 1")


@pytest.fixture
def victim(tmp_path):
    """A folder of the user's with a file in it, both of which must stay as they are."""
    folder = tmp_path / "victim"
    folder.mkdir()
    (folder / "file").write_text("mine")
    yield folder
    assert [(path.name, path.read_text()) for path in folder.iterdir()] == [("file", "mine")]


@pytest.mark.slow_except("status.json")
@pytest.mark.parametrize("name", ["log.jsonl", "ckpt.pt", "status.json"])
def test_a_linked_file_is_replaced(run, tmp_path, victim, name):
    out = tmp_path / "out"
    out.mkdir()
    (out / name).symlink_to(victim / "file")
    assert main([run, "--quiet", "--fresh"]) == 0
    assert not (out / name).is_symlink()
    assert load(out / "ckpt.pt").step == 2
    assert logged_events(out)[-1]["event"] == "end"


@pytest.mark.parametrize("name", ["tensorboard", ".lock"])
def test_a_linked_folder_or_lock_is_refused(run, tmp_path, victim, monkeypatch, capsys, name):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", types.SimpleNamespace(SummaryWriter=None))
    out = tmp_path / "out"
    out.mkdir()
    (out / name).symlink_to(victim / "file" if name == ".lock" else victim)
    assert main([run, "--quiet"]) == 4
    assert f"{name} is a link" in capsys.readouterr().err


def test_shards_go_into_no_linked_folder(run, tmp_path, victim, capsys):
    out = tmp_path / "out"
    out.mkdir()
    (out / "shards").symlink_to(victim)
    assert main([run, "--quiet", "run.sharded=true"]) == 0  # what is in the way of a new run is removed: here a link
    assert load(out / "ckpt.pt").step == 2
    (tmp_path / "other").symlink_to(victim)
    with pytest.raises(UnsafeError, match="other is a link"):
        write(tmp_path / "other", {"w": torch.ones(2)}, {"step": 1})


def test_an_export_goes_into_no_link(tmp_path, victim, capsys):
    write_checkpoint(tmp_path / "ckpt.pt")
    words = [str(tmp_path / "ckpt.pt"), str(tmp_path / "exported"), "--to", "safetensors"]
    (tmp_path / ".exported.partial").symlink_to(victim)
    assert export(words) == 4
    assert "is a link" in capsys.readouterr().err
    (tmp_path / ".exported.partial").unlink()
    (tmp_path / "exported").symlink_to(tmp_path / "nowhere")
    assert export(words) == 5
    assert not (tmp_path / "nowhere").exists()
