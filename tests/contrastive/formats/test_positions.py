"""Another image size or context next to ``model.init``: interpolated positions are those of open_clip's own functions."""

import warnings
from dataclasses import replace

import numpy as np
import open_clip
import pytest
import torch
from open_clip.model import resize_pos_embed, resize_text_pos_embed

from contrastive.checkpoint.file import Checkpoint, load, save
from contrastive.config import ModelSource, read_config
from contrastive.formats.positions import resize_grid, resize_row, resized
from contrastive.model.clip import CLIP, ModelConfig, ResNetConfig, TextConfig, ViTConfig, portable_state
from contrastive.model.preprocess import Preprocess
from contrastive.model.tokenizer import train_bpe
from contrastive.train import main
from contrastive.training import loop
from strictio.errors import UsageError

pytestmark = pytest.mark.usefixtures("one_thread", "shapes_prepared_once")

WORDS = train_bpe(["one two three four red green"] * 3, vocab_size=560, context=16)
TEXT = TextConfig(context=16, vocab_size=WORDS.vocab_size, width=32, layers=1, head_width=16)
VIT = ModelConfig(16, ViTConfig(32, 8, 32, 1, head_width=16), TEXT, activation="gelu")


def checkpoint(config=VIT):
    return Checkpoint(CLIP(config, torch.Generator().manual_seed(0)).eval(), Preprocess(32), WORDS, data_card="Trained on nothing.")


@pytest.mark.parametrize(("side", "context"), [(64, 24), (16, 9), (40, 77), (24, 16)])
def test_positions_are_those_of_open_clips_functions(side, context):
    vision = open_clip.CLIPVisionCfg(image_size=side, layers=1, width=32, patch_size=8, head_width=16)
    text = open_clip.CLIPTextCfg(context_length=context, vocab_size=WORDS.vocab_size, width=32, heads=2, layers=1)
    peer, own = open_clip.CLIP(16, vision_cfg=vision, text_cfg=text), checkpoint()
    theirs = dict(portable_state(own.model))
    resize_pos_embed(theirs, peer)
    resize_text_pos_embed(theirs, peer)
    ours = resized(own, {"vision": {"image_size": side}, "text": {"context": context}})
    assert (ours.config.vision.image_size, ours.config.text.context) == (side, context)
    assert (ours.preprocess.size, ours.tokenizer.context) == (side, context)
    peer.load_state_dict(theirs)
    state = portable_state(ours.model)
    assert state.keys() == theirs.keys()
    for name, tensor in theirs.items():
        np.testing.assert_allclose(state[name], tensor, rtol=0, atol=1e-7, err_msg=name)
    images, ids = torch.randn(3, 3, side, side), ours.tokenizer(["one two", "red", "four"])
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        np.testing.assert_allclose(ours.model.encode_image(images), peer.eval().encode_image(images), atol=1e-5)
        np.testing.assert_allclose(ours.model.encode_text(ids), peer.encode_text(ids), atol=1e-5)


def test_by_hand():
    """Two rows become four: linear interpolation at -1/4, 1/4, 3/4 and 5/4, ends repeated. A constant grid stays; the class token too."""
    np.testing.assert_allclose(resize_row(torch.tensor([[0.0], [4.0]]), 4)[:, 0], [0, 1, 3, 4])
    grid = torch.cat([torch.tensor([[7.0]]), torch.full((9, 1), 2.0)])
    np.testing.assert_allclose(resize_grid(grid, 5)[:, 0], [7.0] + [2.0] * 25, rtol=1e-6)
    assert len(resize_grid(grid[1:], 2)) == 4  # without a class token


@pytest.mark.slow
def test_a_run_trains_at_another_size_and_says_so(tmp_path, capsys):
    save(tmp_path / "init.pt", checkpoint())
    text = f'[model]\ninit = "{tmp_path}/init.pt"\nvision.image_size = 48\ntext.context = 20\n[data]\ntrain = "shapes"\nbatch = 8\n'
    (tmp_path / "run.toml").write_text(text + f'[optim]\nsteps = 2\nlr = 1e-4\n[run]\nout = "{tmp_path}/out"\n')
    assert main([str(tmp_path / "run.toml"), "--quiet"]) == 0
    done = load(tmp_path / "out" / "ckpt.pt")
    assert done.model.visual.positional_embedding.shape == (37, 32)
    assert (done.config.text.context, done.preprocess.size) == (20, 48)
    card = "Interpolated: the position embeddings, for a change of image size from 32 to 48 px and context from 16 to 20 tokens."
    assert card in done.data_card
    capsys.readouterr()
    assert main([str(tmp_path / "run.toml"), "--quiet", "model.vision.image_size=64"]) == 2
    assert "model.vision.image_size was 48, now 64" in capsys.readouterr().err
    same = loop.prepare(read_config(str(tmp_path / "run.toml"), ["model.vision.image_size=32", "model.text.context=16"]))
    assert torch.equal(same.initial.model.positional_embedding, checkpoint().model.positional_embedding)


def test_what_cannot_be_changed_is_refused():
    with pytest.raises(UsageError, match="has the setting 'text' beside 'init'"):
        ModelSource(init="a.pt", changes={"vision": {"image_size": 64}, "text": {"context": 8, "layers": 2}})
    with pytest.raises(UsageError, match="patch_size must divide image_size"):
        resized(checkpoint(), {"vision": {"image_size": 36}})
    resnet = replace(VIT, vision=ResNetConfig(32, 8, (1, 1, 1, 1)))
    with pytest.raises(UsageError, match="needs a vision transformer"):
        resized(checkpoint(resnet), {"vision": {"image_size": 64}})
