"""``--recipe open_clip``: ten steps from equal weights on equal batches are those of open_clip's model, transform, tokenizer and loss."""

import json
from dataclasses import replace
from math import log

import numpy as np
import open_clip
import pytest
import torch
from PIL import Image

from contrastive.config import read_config, recipes
from contrastive.model.clip import CLIP
from contrastive.model.initialization import reset_as_open_clip
from contrastive.model.towers import ModifiedResNet
from contrastive.train import main
from contrastive.training import loop
from contrastive.training.optimizer import make_optimizer
from contrastive.training.step import batch_of
from strictio.errors import UsageError

pytestmark = pytest.mark.usefixtures("one_thread")

TOWERS = {
    "ViT": ({"preset": "tiny-vit"}, {"image_size": 32, "layers": 3, "width": 64, "patch_size": 8, "head_width": 16}),
    "RN": (
        {"preset": "RN50", "embed_dim": 64, "vision": {"image_size": 32, "width": 16, "layers": [1, 1, 1, 1]}},
        {"image_size": 32, "layers": [1, 1, 1, 1], "width": 16, "patch_size": None},
    ),
}
TEXT = {"context_length": 77, "vocab_size": 49_408, "width": 64, "heads": 4, "layers": 3}
CAPTIONS = (
    "a photo of no. {}",
    "caf\u00c3\u00a9 number {}",
    "\u201cquoted\u201d &amp; {}",
    "\ufb01ve \uff26ull {}",
    "it\u2019s  {} \u2026",
)
"""Among them a wrong decoding, an HTML entity, curly quotes, a ligature and full-width letters: ftfy changes four of five."""
BETAS = {"ViT": ((0.9, 0.98), 1e-6), "RN": ((0.9, 0.999), 1e-8)}


@pytest.fixture
def table(tmp_path):
    rng = np.random.default_rng(0)
    rows = ["filepath\ttitle"]
    for index in range(20):
        pixels = rng.integers(0, 256, (40 + index, 61 - index, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{index}.png")
        rows.append(f"{tmp_path}/{index}.png\t{CAPTIONS[index % 5].format(index)}")
    (tmp_path / "train.csv").write_text("\n".join(rows) + "\n", "utf-8")
    return tmp_path / "train.csv"


def settings(tower, table):
    model, _ = TOWERS[tower]
    text = {"width": 64, "layers": 3, "head_width": 16}
    (table.parent / "run.toml").write_text(f'[data]\ntrain = "{table}"\nbatch = 8\n[run]\nout = "{table.parent}/out"\ndevice = "cpu"\n')
    words = [f"model.text.{name}={value}" for name, value in text.items()]
    words += [f"model.{name}={toml(value)}" for name, value in model.items()]
    return str(table.parent / "run.toml"), [*words, "optim.steps=10", "optim.warmup=2", "run.precision=fp32", "data.workers=1"]


def toml(value):
    return "{" + ", ".join(f"{k} = {toml(v)}" for k, v in value.items()) + "}" if isinstance(value, dict) else json.dumps(value)


class Recorder:
    """Notes the image and the seed of each augmentation."""

    def __init__(self, augmentation):
        self.augmentation, self.calls = augmentation, []

    def __call__(self, image, seed):
        self.calls.append((image, seed))
        return self.augmentation(image, seed)


class Peer:
    """open_clip's model, loss, transform and tokenizer, and its trainer's optimiser, schedule and clamp, as that writes them."""

    def __init__(self, tower, state):
        vision, text = open_clip.CLIPVisionCfg(**TOWERS[tower][1]), open_clip.CLIPTextCfg(**TEXT)
        self.model = open_clip.CLIP(64, vision_cfg=vision, text_cfg=text, output_dict=True)
        self.model.load_state_dict({name: tensor.reshape(()) if name == "logit_scale" else tensor for name, tensor in state.items()})
        self.model.train()
        self.transform, self.tokenizer = open_clip.image_transform(32, is_train=True), open_clip.SimpleTokenizer()
        self.loss, named = open_clip.ClipLoss(), list(self.model.named_parameters())
        exclude = [p for n, p in named if p.ndim < 2 or "bn" in n or "ln" in n or "bias" in n or "logit_scale" in n]
        rest = [p for n, p in named if all(p is not other for other in exclude)]
        betas, eps = BETAS[tower]
        self.optimizer = torch.optim.AdamW(
            [{"params": exclude, "weight_decay": 0.0}, {"params": rest, "weight_decay": 0.2}], 5e-4, betas, eps
        )

    def step(self, number, images, captions):
        done = (number - 2) / (10 - 2)
        rate = 5e-4 * (number + 1) / 2 if number < 2 else 0.5 * (1 + np.cos(np.pi * done)) * 5e-4
        for group in self.optimizer.param_groups:
            group["lr"] = float(rate)
        self.optimizer.zero_grad()
        value = self.loss(**self.model(self.pixels(images), self.tokenizer(captions)))
        value.backward()
        self.optimizer.step()
        with torch.no_grad():
            self.model.logit_scale.clamp_(0, log(100))
        return value.item()

    def pixels(self, images):
        made = []
        for image, seed in images:
            torch.manual_seed(seed)
            made.append(self.transform(image).to(torch.get_default_dtype()))
        return torch.stack(made)


@pytest.mark.slow
@pytest.mark.parametrize("steps", [3, pytest.param(10, marks=pytest.mark.slow)])
@pytest.mark.parametrize("tower", ["ViT", "RN"])
def test_ten_steps_are_those_of_open_clip(tower, steps, table):
    """Of the ten the first three have the warm-up, its end, and a rate that falls."""
    path, words = settings(tower, table)
    inputs = loop.prepare(read_config(path, words, "open_clip"))
    inputs = replace(inputs, pairs=replace(inputs.pairs, augmentation=Recorder(inputs.pairs.augmentation)))
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        training = loop.start(inputs)
        peer = Peer(tower, {name: tensor.clone() for name, tensor in training.model.state_dict().items()})
        for number in range(steps):
            images, ids = batch_of(inputs, number, training.device)
            calls, inputs.pairs.augmentation.calls = inputs.pairs.augmentation.calls, []
            rows = inputs.rows(number)
            captions = [CAPTIONS[row % 5].format(row) for row in rows.tolist()]
            np.testing.assert_allclose(images, peer.pixels(calls), rtol=0, atol=1e-6)
            assert torch.equal(ids, peer.tokenizer(captions)[:, : ids.shape[1]])
            value = peer.step(number, calls, captions)
            ours = loop.take_step(training, inputs, (peer.pixels(calls), ids))
            assert ours["loss"] == pytest.approx(value, rel=1e-9)
    finally:
        torch.set_default_dtype(before)
    theirs = peer.model.state_dict()
    for name, tensor in training.model.state_dict().items():
        np.testing.assert_allclose(tensor.reshape(theirs[name].shape), theirs[name], rtol=0, atol=1e-7, err_msg=name)
    moved = training.model.positional_embedding.detach()
    assert not torch.allclose(moved, torch.zeros_like(moved))


@pytest.mark.slow_except("ViT")
@pytest.mark.parametrize("tower", ["ViT", "RN"])
def test_all_defaults_are_those_of_its_trainer(tower, table):
    from open_clip_train.params import get_default_params, parse_args

    theirs, by_name = parse_args(["--model", "ViT-B-32" if tower == "ViT" else "RN50"]), get_default_params(tower)
    config = read_config(settings(tower, table)[0], ["model.preset=ViT-B/32"] if tower == "ViT" else [], "open_clip")
    optim = config.optim
    assert (optim.lr, optim.warmup, optim.weight_decay, optim.epochs) == (theirs.lr, theirs.warmup, theirs.wd, theirs.epochs)
    assert (optim.schedule, optim.clip, optim.accumulate, optim.ema) == (theirs.lr_scheduler, theirs.grad_clip_norm or 0, 1, 0)
    columns = (config.data.image_column, config.data.caption_column)
    assert columns == (theirs.csv_img_key, theirs.csv_caption_key)
    assert (theirs.precision, config.run.precision, config.run.seed) == ("amp", "fp16", theirs.seed)  # amp: autocast to float16, scaled
    model = CLIP(replace(loop.prepare(read_config(*settings(tower, table), "open_clip")).model))
    groups = make_optimizer(model, optim).param_groups
    assert {group["betas"] for group in groups} == {(by_name["beta1"], by_name["beta2"])} == {(theirs.beta1, theirs.beta2)}
    assert {group["eps"] for group in groups} == {by_name["eps"]}
    decayed = {name for group in groups for name in group["names"] if group["weight_decay"]}
    assert {name for name in dict(model.named_parameters()) if name.endswith("positional_embedding")} <= decayed
    alone = read_config("open_clip", ["data.train=t.csv", "run.out=o"])
    assert (alone.data.batch, alone.run.device, alone.data.crop) == (theirs.batch_size, theirs.device, None)


@pytest.mark.slow_except("ViT")
@pytest.mark.parametrize("tower", ["ViT", "RN"])
def test_initial_weights_have_the_distribution_of_open_clips(tower, table):
    config = loop.prepare(read_config(*settings(tower, table), "open_clip")).model
    ours = CLIP(config, torch.Generator().manual_seed(0))
    paper = {name: tensor.clone() for name, tensor in ours.state_dict().items()}
    reset_as_open_clip(ours, torch.Generator().manual_seed(1))
    assert isinstance(ours.visual, ModifiedResNet) == (tower == "RN")
    torch.manual_seed(0)
    vision, text = open_clip.CLIPVisionCfg(**TOWERS[tower][1]), open_clip.CLIPTextCfg(**TEXT)
    peers = [open_clip.CLIP(64, vision_cfg=vision, text_cfg=text).state_dict() for _ in range(3)]
    changed = 0
    for name, tensor in ours.state_dict().items():
        their = torch.stack([peer[name].float() for peer in peers])
        spread, expected = float(tensor.float().pow(2).mean() ** 0.5), float(their.pow(2).mean() ** 0.5)
        assert spread == pytest.approx(expected, rel=0.05 if tensor.numel() > 2000 else 0.3, abs=1e-7), name
        changed += not torch.equal(tensor, paper[name])
    assert changed >= (21 if tower == "ViT" else 10)


def test_what_a_run_states_itself_precedes_its_recipe(table, tmp_path):
    path, _ = settings("ViT", table)
    config = read_config(path, ["optim.steps=20000", "optim.weight_decay=0.05"], "open_clip")
    assert (config.optim.steps, config.optim.epochs, config.optim.weight_decay, config.data.batch) == (20000, 0, 0.05, 8)
    assert read_config(path, ["model.init=a.pt"], "open_clip").model.to_dict() == {"init": "a.pt"}
    with pytest.raises(UsageError, match="did you mean open_clip"):
        read_config(path, [], "openclip")
    assert "open_clip" in recipes()


def test_a_warmup_longer_than_the_run_is_refused(table, capsys):
    path, _ = settings("ViT", table)
    assert main([path, "--recipe", "open_clip", "--check"]) == 0
    capsys.readouterr()
    assert main([path, "--recipe", "open_clip", "model.preset=tiny-vit", "run.precision=fp32"]) == 2
    assert "optim.warmup must be between 0 and optim.steps" in capsys.readouterr().err


def test_repaired_captions_are_in_the_data_card_and_the_identity(table):
    inputs, plain = (loop.prepare(read_config(*settings("ViT", table), "open_clip")) for _ in range(2))
    assert inputs.identity == plain.identity
    other = loop.prepare(read_config(settings("ViT", table)[0], [*settings("ViT", table)[1], "data.fix_text=false"], "open_clip"))
    assert "repaired with ftfy" in inputs.data_card
    assert "unchanged" not in inputs.data_card
    assert inputs.identity["the data (sha256)"] != other.identity["the data (sha256)"]
