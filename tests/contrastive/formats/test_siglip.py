"""SigLIP and SigLIP 2 (fixed resolution) folders: read, trained, exported; features are those of transformers' own model."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import AutoModel, AutoTokenizer

from audit.models import load as load_encoder
from contrastive.checkpoint.file import load, save
from contrastive.config import read_config
from contrastive.export import export
from contrastive.export import main as export_main
from contrastive.formats.initial import read_model
from contrastive.formats.positions import resized
from contrastive.model.clip import portable_state
from contrastive.model.flops import image_cost
from contrastive.model.pieces import PieceTokenizer
from contrastive.train import main
from contrastive.training import loop
from contrastive.training.optimizer import make_optimizer
from strictio.errors import DataError, UnsafeError, UsageError
from tests.support.model_families import PROMPTS, random_folder
from tests.support.training import after, assert_same_bytes, finish_in_a_group, saved_and_resumed

pytestmark = pytest.mark.usefixtures("one_thread", "shapes_prepared_once")

KINDS = ["siglip", "siglip2"]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Model folders of the true layout: fast tokenizers of SentencePiece's and of Gemma's kind."""
    root = tmp_path_factory.mktemp("siglip")
    return {kind: random_folder(kind, root / kind) for kind in KINDS}


def written_run(tmp_path, folder, *, out="out", **more):
    tables = {
        "data": 'train = "shapes"\nbatch = 8',
        "optim": "steps = 6\nlr = 1e-4",
        "loss": 'kind = "sigmoid"',
        "run": "save_every = 4",
        **more,
    }
    text = f'[model]\ninit = "{folder}"\n' + "".join(f"[{name}]\n{content}\n" for name, content in tables.items())
    (tmp_path / "run.toml").write_text(text + f'out = "{tmp_path / out}"\n')
    return str(tmp_path / "run.toml")


def images_of(size=48, count=3):
    rng = np.random.default_rng(0)
    return [Image.fromarray(rng.integers(0, 256, (size + 9 * i, size + 20, 3), np.uint8)) for i in range(count)]


@torch.no_grad()
def theirs(folder, pixels, ids):
    model = AutoModel.from_pretrained(folder).eval()
    return model.get_image_features(pixels).pooler_output, model.get_text_features(ids).pooler_output, model


@pytest.mark.slow_except("siglip2")
@pytest.mark.parametrize("kind", KINDS)
@torch.no_grad()
def test_features_ids_and_logits_are_those_of_transformers(kind, folders):
    found = read_model(str(folders[kind]))
    tokenizer = AutoTokenizer.from_pretrained(folders[kind])
    rows = tokenizer(PROMPTS, padding="max_length", max_length=64, truncation=True, return_tensors="pt")["input_ids"]
    assert torch.equal(found.tokenizer(PROMPTS), rows)
    assert [found.tokenizer.length(text) for text in PROMPTS] == [len(ids) for ids in tokenizer(PROMPTS)["input_ids"]]
    long = "woman " * 60
    cut = tokenizer([long], padding="max_length", max_length=64, truncation=True, return_tensors="pt")["input_ids"]
    assert torch.equal(found.tokenizer([long], truncate=True), cut)
    with pytest.raises(ValueError, match="longer than the context of 64"):
        found.tokenizer([long])
    pixels = found.preprocess(images_of())
    image, text, model = theirs(folders[kind], pixels, rows)
    np.testing.assert_allclose(found.model.encode_image(pixels), image, atol=1e-5)
    np.testing.assert_allclose(found.model.encode_text(rows), text, atol=1e-5)
    ours_image, ours_text, scale = found.model(pixels, rows)
    logits = scale * ours_image @ ours_text.T + found.model.logit_bias
    np.testing.assert_allclose(logits, model(input_ids=rows, pixel_values=pixels).logits_per_image, atol=1e-5)
    assert (found.preprocess.mean, found.preprocess.resize_mode, found.config.score_rule) == ((0.5, 0.5, 0.5), "squash", "sigmoid")


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_first_step_has_the_gradients_of_transformers_model(kind, folders, tmp_path):
    """Gradients of the whole sigmoid loss, through `SiglipModel`'s own forward pass."""
    inputs = loop.prepare(read_config(written_run(tmp_path, folders[kind])))
    pixels, ids = inputs.pairs.batch(inputs.rows(0), 0, 0, 0)
    training, _ = after(inputs, 0)
    loop.take_step(training, inputs, (images := inputs.preprocess.normalise(pixels), ids))
    from strictio.weights.weight_names import to_hugging_face

    model = AutoModel.from_pretrained(folders[kind]).train()
    logits = model(input_ids=ids, pixel_values=images).logits_per_image
    loss = -torch.nn.functional.logsigmoid(logits * (2 * torch.eye(len(ids)) - 1)).sum() / len(ids)
    loss.backward()
    norm = torch.nn.utils.get_total_norm(p.grad for p in model.parameters() if p.grad is not None)
    ours = to_hugging_face({name: p.grad for name, p in training.model.named_parameters()})
    expected = {name: p.grad / max(1.0, float(norm)) for name, p in model.named_parameters()}
    assert ours.keys() == expected.keys()
    for name, gradient in expected.items():
        np.testing.assert_allclose(ours[name].reshape(gradient.shape), gradient, atol=2e-5, err_msg=name)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_trained_exported_and_audited_it_is_the_same_model(kind, folders, tmp_path, capsys):
    run = written_run(tmp_path, folders[kind])
    assert main([run, "--quiet"]) == 0
    path, out = tmp_path / "out" / "ckpt.pt", tmp_path / "exported"
    done = load(path)
    before = portable_state(read_model(str(folders[kind])).model)
    moved = {name: float((tensor - before[name]).abs().max()) for name, tensor in portable_state(done.model).items()}
    assert all(0 < distance < 1e-2 for name, distance in moved.items() if "in_proj_bias" not in name), moved
    assert isinstance(done.tokenizer, PieceTokenizer)
    assert export_main([str(path), str(out), "--to", "huggingface"]) == 0
    assert "verified: features of random inputs differ by" in capsys.readouterr().out
    ours, exported = (load_encoder(str(place), device="cpu", dtype="float32") for place in (path, out))
    assert ours.record.score_rule == exported.record.score_rule
    images = images_of(count=4)
    for encode, rows in (("encode_images", images), ("encode_texts", PROMPTS)):
        np.testing.assert_allclose(getattr(ours, encode)(rows), getattr(exported, encode)(rows), atol=1e-5)
    assert ours.count_tokens(PROMPTS) == [done.tokenizer.length(text) for text in PROMPTS]
    again = read_model(str(out))
    assert again.config == done.config
    assert all(torch.equal(tensor, portable_state(done.model)[name]) for name, tensor in portable_state(again.model).items())
    with pytest.raises(UsageError, match="exported for transformers"):
        export(done, tmp_path / "no", "open_clip")
    assert export(done, tmp_path / "tensors", "safetensors") == 0
    assert read_model(str(tmp_path / "tensors")).tokenizer == done.tokenizer


@pytest.mark.slow
def test_resumed_it_is_equal_to_the_bit_alone_and_in_two_processes(folders, tmp_path):
    run = written_run(tmp_path, folders["siglip"], optim="steps = 6\nlr = 1e-4\naccumulate = 2\nema = 0.9")
    inputs = loop.prepare(read_config(run))
    whole, _ = after(inputs, 6)
    half, _ = after(inputs, 3)
    resumed, _ = after(inputs, 3, saved_and_resumed(half, inputs))
    assert_same_bytes(whole.model.state_dict(), resumed.model.state_dict())
    for mode in ("ddp", "fsdp2"):
        finish_in_a_group(run, tmp_path / mode, f"run.dist={mode}")
        state = portable_state(load(tmp_path / mode / "ckpt.pt").model)
        for name, tensor in portable_state(whole.model).items():
            np.testing.assert_allclose(state[name], tensor.detach(), atol=2e-5, err_msg=name)


def test_patch_dropout_and_another_size_work_as_for_clip(folders, tmp_path):
    found = read_model(str(folders["siglip"]))
    larger = resized(found, {"vision": {"image_size": 96}, "text": {"context": 32}})
    assert larger.model.visual.positional_embedding.shape == (36, 32)
    assert larger.tokenizer(["woman"]).shape == (1, 32)
    run = written_run(tmp_path, folders["siglip"], data='train = "shapes"\nbatch = 8\npatch_dropout = 0.5')
    assert main([run, "--quiet", "model.vision.image_size=64", "optim.steps=2"]) == 0
    assert load(tmp_path / "out" / "ckpt.pt").config.vision.image_size == 64


def test_operations_are_those_that_torch_counts(folders):
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from torch.utils.flop_counter import FlopCounterMode

    found = read_model(str(folders["siglip"]))
    with FlopCounterMode(display=False) as counter, torch.no_grad(), sdpa_kernel(SDPBackend.MATH):
        found.model.encode_image(torch.randn(1, 3, 48, 48))
    assert image_cost(found.config).forward == pytest.approx(counter.get_total_flops(), rel=0.02)


def test_decay_spares_gains_biases_positions_and_the_query(folders):
    model = read_model(str(folders["siglip"])).model
    groups = make_optimizer(model, read_config("shapes").optim).param_groups
    decayed = {name for group in groups for name in group["names"] if group["weight_decay"]}
    assert {"visual.conv1.weight", "text_projection", "visual.attention_pool.mlp.c_fc.weight"} <= decayed
    spared = ("bias", "probe", "positional_embedding", "logit_scale")
    assert not [name for name in decayed if name.endswith(spared) or ".ln" in name]


def test_what_cannot_be_trained_is_refused_in_words(folders, tmp_path, capsys):
    run = written_run(tmp_path, folders["siglip"])
    assert main([run, "--quiet", "loss.kind=softmax"]) == 2
    assert "the initial model scores by sigmoid, loss.kind is softmax\nfix: loss.kind=sigmoid" in capsys.readouterr().err
    assert main([run, "--quiet", "loss.kind=caption"]) == 2
    assert "cannot train this model" in capsys.readouterr().err
    with pytest.raises(UsageError, match=r"model\.stated has activation, but the folder says"):
        read_model(str(folders["siglip"]), {"activation": "gelu"})
    with pytest.raises(DataError, match="its resolution varies"):
        read_model(str(random_folder("siglip2_naflex", tmp_path / "naflex")))
    with pytest.raises(DataError, match="are read with their folder only"):
        read_model(str(folders["siglip"] / "model.safetensors"))
    bare = tmp_path / "bare"
    shutil.copytree(folders["siglip"], bare)
    (bare / "tokenizer.json").unlink()
    with pytest.raises(DataError, match="tokenizer"):
        read_model(str(bare))


def test_a_hostile_tokenizer_is_refused_in_a_folder_and_in_a_checkpoint(folders, tmp_path):
    found = read_model(str(folders["siglip"]))
    content = json.loads(found.tokenizer.content)
    content["normalizer"] = {"type": "Replace", "pattern": {"String": "a"}, "content": "a" * 50_000}
    hostile = replace(found.tokenizer, content=json.dumps(content))
    with pytest.raises(UnsafeError, match="multiplies texts"):
        hostile(["a"])
    save(tmp_path / "bad.pt", replace(found, tokenizer=hostile))
    with pytest.raises(UnsafeError, match="multiplies texts"):
        load_encoder(str(tmp_path / "bad.pt"), device="cpu", dtype="float32").encode_texts(["a"])
    with pytest.raises(DataError, match="the tokenizer cannot be read"):
        replace(found.tokenizer, content="{}").parsed()
    with pytest.raises(DataError, match="does not fit the model"):
        replace(found.tokenizer, vocab_size=3).parsed()
