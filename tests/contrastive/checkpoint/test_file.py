"""ckpt.pt: what is saved is what is loaded; what does not fit is named; a file is whole or not there."""

import errno
import hashlib
import json
import os
import pathlib
import signal
import sys
import time
import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from contrastive.checkpoint.file import Checkpoint, load, save, write_checkpoint
from contrastive.model.clip import CLIP, portable_state
from contrastive.model.preprocess import Preprocess
from contrastive.model.presets import preset
from contrastive.model.tokenizer import train_bpe
from strictio import folders
from strictio.errors import DataError, MachineError, UnsafeError, UsageError, VlmAuditError
from tests.support import forked
from tests.support.hostile import Evil

torch.set_num_threads(1)
TOKENIZER = train_bpe(["a red circle", "a blue circle"], vocab_size=530, context=12)


def made(name="tiny-vit", seed=0, **fields):
    config = preset(name, vocab_size=TOKENIZER.vocab_size, context=TOKENIZER.context)
    model = CLIP(config, torch.Generator().manual_seed(seed))
    return Checkpoint(model, Preprocess(32), TOKENIZER, **fields)


@pytest.fixture
def path(tmp_path):
    """A checkpoint in a file."""
    save(tmp_path / "ckpt.pt", made())
    return tmp_path / "ckpt.pt"


def tampered(path, edit):
    """Change the content of a checkpoint as another program could."""
    content = torch.load(path, weights_only=True)
    edit(content)
    torch.save(content, path)
    return path


@pytest.mark.parametrize("name", ["tiny-vit", "tiny-conv"])
def test_everything_survives(tmp_path, name):
    training = {"optimizer": {"state": {0: {"exp_avg": torch.ones(3)}}, "groups": [{"lr": 0.1}]}, "rng": torch.get_rng_state(), "epoch": 3}
    before = made(name, step=7, data_card="emoji, balanced", training=training, account={"samples": 1792}, git="0" * 40)
    digest = save(tmp_path / "ckpt.pt", before)
    after = load(tmp_path / "ckpt.pt")
    assert (after.config, after.preprocess, after.tokenizer) == (before.config, before.preprocess, TOKENIZER)
    assert (after.step, after.data_card, after.account, after.git) == (7, "emoji, balanced", {"samples": 1792}, "0" * 40)
    assert after.format == "vlm-audit checkpoint 1"
    assert after.notes == ()
    assert digest == after.sha256 == hashlib.sha256((tmp_path / "ckpt.pt").read_bytes()).hexdigest()
    assert not after.model.training
    weights = portable_state(before.model)
    assert all(torch.equal(tensor, weights[key]) for key, tensor in portable_state(after.model).items())
    assert torch.equal(after.training["rng"], training["rng"])
    assert torch.equal(after.training["optimizer"]["state"][0]["exp_avg"], torch.ones(3))
    assert (after.training["optimizer"]["groups"], after.training["epoch"]) == ([{"lr": 0.1}], 3)


def test_a_loaded_model_gives_the_same_features(tmp_path):
    before = made("tiny-conv")
    before.model.train()
    images = before.preprocess([Image.new("RGB", (40, 30), colour) for colour in ("red", "blue", "white")])
    before.model.encode_image(images)  # moves the batch statistics
    before.model.eval()
    save(tmp_path / "ckpt.pt", before)
    after = load(str(tmp_path / "ckpt.pt"))
    ids = after.tokenizer(["a red circle", "blue"])
    assert torch.equal(after.model.encode_image(images), before.model.encode_image(images))
    assert torch.equal(after.model.encode_text(ids), before.model.encode_text(ids))


@pytest.mark.slow
def test_training_goes_on_as_if_it_had_not_stopped(tmp_path):
    images, ids = torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(1)), TOKENIZER(["a red circle"] * 4)

    def steps(model, optimizer, count):
        for _ in range(count):
            image, text, scale = model(images, ids)
            (scale * (image * text).sum()).backward()
            optimizer.step()
            optimizer.zero_grad()

    straight = made().model
    optimizer = torch.optim.AdamW(straight.parameters(), lr=1e-2)
    steps(straight, optimizer, 2)
    save(tmp_path / "ckpt.pt", replace(made(), model=straight, training={"optimizer": optimizer.state_dict()}))
    steps(straight, optimizer, 2)
    resumed = load(tmp_path / "ckpt.pt")
    again = torch.optim.AdamW(resumed.model.parameters(), lr=1e-2)
    again.load_state_dict(resumed.training["optimizer"])
    steps(resumed.model, again, 2)
    assert all(torch.equal(tensor, portable_state(straight)[name]) for name, tensor in portable_state(resumed.model).items())
    assert load(tmp_path / "ckpt.pt").sha256 == resumed.sha256  # training on mapped weights never writes to the file


def test_the_same_content_gives_the_same_file(tmp_path):
    assert len({save(tmp_path / name, made(created="2026-01-01T00:00:00+00:00")) for name in ("a.pt", "b.pt")}) == 1


def test_torch_opens_the_file_without_code_and_scalars_are_scalars(path):
    content = torch.load(path, weights_only=True)
    assert content["state_dict"]["logit_scale"].shape == ()
    assert content["tokenizer"]["merges"] == list(TOKENIZER.merges)
    assert len(content["preprocess"]["sha256"]) == 64
    assert "git" not in content
    json.dumps({key: content[key] for key in ("config", "preprocess", "tokenizer", "created")})


def test_open_clip_takes_the_state_dict(path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecations inside the package
        open_clip = pytest.importorskip("open_clip", reason="open_clip_torch is not installed (pip install open_clip_torch)")
    from open_clip.model import CLIPTextCfg, CLIPVisionCfg

    vision = CLIPVisionCfg(layers=3, width=64, head_width=16, patch_size=8, image_size=32)
    text = CLIPTextCfg(context_length=12, vocab_size=TOKENIZER.vocab_size, width=64, heads=4, layers=3)
    peer = open_clip.model.CLIP(64, vision, text).eval()
    peer.load_state_dict(torch.load(path, weights_only=True)["state_dict"], strict=True)
    ids, model = TOKENIZER(["a red circle"]), load(path).model
    torch.testing.assert_close(peer.encode_text(ids), model.encode_text(ids), rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (
            lambda content: content["state_dict"].update({"visual.extra": content["state_dict"].pop("visual.proj")}),
            r"missing: 1 \(visual\.proj\); unexpected: 1 \(visual\.extra\)",
        ),
        (lambda content: content["config"].pop("embed_dim"), r"config lacks the setting 'embed_dim'"),
        (lambda content: content["config"].update(activation="swish"), r"config\.activation cannot be 'swish'"),
        (lambda content: content["config"]["text"].update(layers=4), r"missing: 12 "),
        (lambda content: content["config"]["text"].update(vocab_size=600), r"of another shape or kind: 1 \(token_embedding"),
        (lambda content: content["preprocess"].update(size=64), r"the preprocessing does not fit the model"),
        (lambda content: content["preprocess"].update(mean=7), r"preprocess\.mean must be a list, not int"),
        (lambda content: content["tokenizer"].update(context=11), r"the tokenizer does not fit the model"),
        (lambda content: content["tokenizer"].update(merges=content["tokenizer"]["merges"][::-1]), r"does not match the hash"),
        (lambda content: content["tokenizer"].update(merges=[1]), r"tokenizer\.merges\[0\] must be text, not int"),
        (lambda content: content.pop("tokenizer"), r"has no tokenizer"),
        (lambda content: content.update(step="7"), r"step is of type str, not int"),
        (lambda content: content.update(data_card=["x"]), r"data_card is of type list, not str"),
        (lambda content: content.update(state_dict={7: torch.ones(1)}), r"not tensors by name"),
        (lambda content: content["format"].update(version=2), r"format version 2; this program reads version 1"),
        (lambda content: content.update(format="x"), r"not a checkpoint of this program"),
    ],
)
def test_what_does_not_fit_is_said(path, edit, said):
    with pytest.raises(DataError, match=said) as caught:
        load(tampered(path, edit))
    assert (caught.value.exit_code, caught.value.where) == (3, str(path))


def test_weights_without_a_configuration_are_described(tmp_path):
    torch.save({"visual.proj": torch.zeros(8, 4), "logit_scale": torch.zeros(())}, tmp_path / "raw.pt")
    with pytest.raises(DataError, match=r"(?s)not a checkpoint of this program.*with 2 tensors; the first are visual\.proj, logit_scale"):
        load(tmp_path / "raw.pt")
    torch.save([1, 2], tmp_path / "list.pt")
    with pytest.raises(DataError, match="with 0 tensors"):
        load(tmp_path / "list.pt")


def test_code_in_a_checkpoint_is_refused_without_running(path):
    with pytest.raises(UnsafeError, match="getattr"):
        load(tampered(path, lambda content: content.update(account=Evil(path.with_name("canary")))))
    assert not path.with_name("canary").exists()


def test_another_pillow_is_noted(path):
    (note,) = load(tampered(path, lambda content: content["preprocess"].update(sha256="0" * 64))).notes
    assert "Pillow" in note


def test_parts_that_do_not_fit_each_other_are_refused_at_once():
    with pytest.raises(UsageError, match="the preprocessing does not fit"):
        replace(made(), preprocess=Preprocess(64))
    with pytest.raises(UsageError, match=r"530 ids|ids and context 9 for"):
        replace(made(), tokenizer=replace(TOKENIZER, context=9))


def test_weights_that_are_not_finite_are_never_written(path):
    good, broken = load(path).sha256, made()
    with torch.no_grad():
        broken.model.text_projection[3, 4] = float("nan")
    with pytest.raises(VlmAuditError, match=r"was not saved[\s\S]*'text_projection' holds 1 values") as caught:
        save(path, broken)
    assert caught.value.exit_code == 70
    assert load(path).sha256 == good


@pytest.mark.parametrize(
    ("training", "said"),
    [
        ({"loss": np.float64(1.5)}, r"checkpoint\.training\.loss is of type float64"),
        ({"paths": [pathlib.PurePath("x")]}, r"checkpoint\.training\.paths\[0\] is of type PurePosixPath"),
        ({(1, 2): 3}, "has a key of type tuple"),
    ],
)
def test_what_the_reader_would_refuse_is_not_written(tmp_path, training, said):
    with pytest.raises(TypeError, match=said):
        save(tmp_path / "ckpt.pt", made(training=training))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), RuntimeError("unexpected pos 64 vs 0")])
def test_a_write_that_fails_leaves_the_old_file(tmp_path, error):
    def half(file):
        file.write(b"half of it")
        raise error

    path = tmp_path / "ckpt.pt"
    path.write_bytes(b"old")
    with pytest.raises(MachineError, match=str(error.args[-1])) as caught:
        write_checkpoint(path, half)
    assert caught.value.exit_code == 5
    assert [file.name for file in tmp_path.iterdir()] == ["ckpt.pt"]
    assert path.read_bytes() == b"old"


def test_a_process_killed_while_writing_leaves_the_old_file_and_its_rest_is_swept(tmp_path):
    path = tmp_path / "ckpt.pt"
    path.write_bytes(b"old")
    program = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from contrastive.checkpoint.file import write_checkpoint\n"
        "def half(file):\n"
        "    file.write(b'half'); file.flush()\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "write_checkpoint(Path(sys.argv[1]), half)\n"
    )
    done = forked.run([sys.executable, "-c", program, path])
    assert done.returncode == -signal.SIGKILL
    assert path.read_bytes() == b"old"
    rest = next(file for file in tmp_path.iterdir() if file.name.endswith(".tmp"))
    write_checkpoint(path, lambda file: file.write(b"new"))
    assert rest.exists()  # it could belong to a living process
    os.utime(rest, (time.time() - folders.STALE_S - 60,) * 2)
    write_checkpoint(path, lambda file: file.write(b"newer"))
    assert [file.name for file in tmp_path.iterdir()] == ["ckpt.pt"]
    assert path.read_bytes() == b"newer"


def test_saving_over_a_file_does_not_disturb_a_model_loaded_from_it(tmp_path):
    save(tmp_path / "ckpt.pt", made(seed=1))
    loaded = load(tmp_path / "ckpt.pt")
    save(tmp_path / "ckpt.pt", made(seed=2))
    weights = portable_state(made(seed=1).model)
    assert all(torch.equal(tensor, weights[name]) for name, tensor in portable_state(loaded.model).items())
    assert load(tmp_path / "ckpt.pt").sha256 != loaded.sha256


def test_a_folder_is_made_and_a_place_that_cannot_be_written_is_named(tmp_path):
    save(tmp_path / "runs" / "a" / "ckpt.pt", made())
    assert load(tmp_path / "runs" / "a" / "ckpt.pt").step == 0
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(MachineError, match="cannot be written") as caught:
        save(tmp_path / "file" / "ckpt.pt", made())
    assert caught.value.where == str(tmp_path / "file" / "ckpt.pt")
