"""LoRA: ten steps are those of peft on transformers' models; runs resume to the bit; files hold merged weights."""

import importlib.util

import numpy as np
import pytest
import torch
from transformers import AutoModel

from audit.models import load as load_encoder
from contrastive.checkpoint.file import load
from contrastive.config import read_config
from contrastive.export import main as export_main
from contrastive.formats.initial import read_model
from contrastive.model.clip import portable_state
from contrastive.model.lora import add_low_rank, additions, merged
from contrastive.train import main
from contrastive.training import loop
from contrastive.training.optimizer import learning_rate
from contrastive.unshard import unshard
from strictio.errors import UsageError, VlmAuditError
from strictio.weights.weight_names import QKV, to_hugging_face
from tests.support.model_families import PROMPTS, random_folder
from tests.support.spawn import spawn
from tests.support.training import after, assert_same_bytes, finish_in_a_group, saved_and_resumed, train_and_die

pytestmark = pytest.mark.usefixtures("one_thread", "shapes_prepared_once")

LOSSES = {"clip": "softmax", "siglip": "sigmoid"}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("low-rank")
    return {kind: random_folder(kind, root / kind) for kind in LOSSES}


def written_run(tmp_path, kind, folders, *, optim="", run="save_every = 4"):
    text = f'[model]\ninit = "{folders[kind]}"\n[data]\ntrain = "shapes"\nbatch = 8\n'
    text += f"[optim]\nsteps = 10\nlr = 1e-2\nwarmup = 2\nlora_rank = 3\nlora_alpha = 6.0\n{optim}\n"
    (tmp_path / "run.toml").write_text(f'{text}[loss]\nkind = "{LOSSES[kind]}"\n[run]\n{run}\nout = "{tmp_path}/out"\n')
    return str(tmp_path / "run.toml")


def test_by_hand():
    """W = [[1, 2]], A = [[3, 4]], B = [[5]], alpha / rank = 2 / 1: W + 2 * 5 * [3, 4] = [[31, 42]]."""
    state = {"m.weight": [[1.0, 2.0]], "m.lora_a": [[3.0, 4.0]], "m.lora_b": [[5.0]], "m.lora_scale": 2.0, "m.bias": [7.0]}
    plain = merged({name: torch.tensor(value) for name, value in state.items()})
    assert {name: tensor.tolist() for name, tensor in plain.items()} == {"m.weight": [[31.0, 42.0]], "m.bias": [7.0]}


@torch.no_grad()
def test_additions_begin_at_zero_and_merging_keeps_features(folders):
    found = read_model(str(folders["siglip"]))
    pixels, ids = torch.randn(3, 3, 48, 48), found.tokenizer(PROMPTS)
    before = found.model.encode_image(pixels), found.model.encode_text(ids)
    add_low_rank(found.model, 4, 8.0, torch.Generator().manual_seed(0))
    for ours, expected in zip((found.model.encode_image(pixels), found.model.encode_text(ids)), before, strict=True):
        assert torch.equal(ours, expected)
    for name, parameter in found.model.named_parameters():
        if name.endswith("lora_b"):
            parameter.normal_(0, 0.1)
    low_rank = found.model.encode_image(pixels), found.model.encode_text(ids)
    assert float((low_rank[0] - before[0]).abs().max()) > 1e-2
    plain = read_model(str(folders["siglip"])).model
    plain.load_state_dict(merged(found.model.state_dict()))
    np.testing.assert_allclose(plain.encode_image(pixels), low_rank[0], atol=1e-5)
    np.testing.assert_allclose(plain.encode_text(ids), low_rank[1], atol=1e-5)


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")  # peft with transformers 5
@pytest.mark.skipif(importlib.util.find_spec("peft") is None, reason="compares with the package peft")
@pytest.mark.parametrize("kind", LOSSES)
def test_ten_steps_are_those_of_peft(kind, folders, tmp_path):
    import peft

    inputs = loop.prepare(read_config(written_run(tmp_path, kind, folders, optim="clip = 0.0")))
    default = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        training = loop.start(inputs)
        targets = r".*encoder\.layers\.\d+\.(self_attn\.(q|k|v|out)_proj|mlp\.fc[12])"
        config = peft.LoraConfig(r=3, lora_alpha=6, target_modules=targets, lora_dropout=0.0, bias="none")
        model = peft.get_peft_model(AutoModel.from_pretrained(folders[kind], dtype=torch.float64).train(), config)
        given = split_parts(to_hugging_face_names(training.model))
        theirs = {name: p for name, p in model.named_parameters() if p.requires_grad}
        assert len(theirs) == len(given)
        with torch.no_grad():
            for name, parameter in theirs.items():
                parameter.copy_(given[name.removeprefix("base_model.model.").replace(".default.weight", "")])
        optimizer = torch.optim.AdamW(theirs.values(), 1e-2, (0.9, 0.98), 1e-6, weight_decay=0.1)
        for step in range(10):
            pixels, ids = inputs.pairs.batch(inputs.rows(step), 0, 0, 0)
            images = inputs.preprocess.normalise(pixels).double()
            out = model(input_ids=ids, pixel_values=images)
            loss = loss_of(kind, out.logits_per_image)
            optimizer.zero_grad()
            loss.backward()
            optimizer.param_groups[0]["lr"] = learning_rate(step, inputs.config.optim)
            optimizer.step()
            assert loop.take_step(training, inputs, (images, ids))["loss"] == pytest.approx(loss.item(), rel=1e-9)
        state = to_hugging_face(portable_state_merged(training.model))
        whole = model.merge_and_unload().state_dict()
        for name, tensor in state.items():
            np.testing.assert_allclose(tensor, whole[name].reshape(tensor.shape), rtol=0, atol=1e-9, err_msg=name)
    finally:
        torch.set_default_dtype(default)


def portable_state_merged(model):
    return merged(portable_state(model))


def to_hugging_face_names(model):
    """Additions by the stem of their map in transformers' names, still fused."""
    named = {}
    for name, tensor in additions(model.state_dict()).items():
        tower = "vision" if name.startswith("visual.") else "text"
        stem = name.removeprefix("visual.").replace("transformer.resblocks", f"{tower}_model.encoder.layers")
        for ours, theirs in (("attn.out_proj", "self_attn.out_proj"), ("mlp.c_fc", "mlp.fc1"), ("mlp.c_proj", "mlp.fc2")):
            stem = stem.replace(ours, theirs)
        named[stem] = tensor
    return named


def split_parts(named):
    parts = {}
    for name, tensor in named.items():
        name = name.replace("lora_a", "lora_A").replace("lora_b", "lora_B")
        if tensor.ndim == 2:
            parts[name] = tensor
        else:
            parts |= {name.replace("attn.lora", f"{part}.lora"): tensor[i] for i, part in enumerate(QKV)}
    return parts


def loss_of(kind, logits):
    if kind == "siglip":
        return -torch.nn.functional.logsigmoid(logits * (2 * torch.eye(len(logits)) - 1)).sum() / len(logits)
    own = torch.arange(len(logits))
    return (torch.nn.functional.cross_entropy(logits, own) + torch.nn.functional.cross_entropy(logits.T, own)) / 2


@pytest.mark.slow
@pytest.mark.parametrize("kind", LOSSES)
def test_a_run_is_merged_exported_and_audited(kind, folders, tmp_path, capsys):
    assert main([written_run(tmp_path, kind, folders), "--quiet"]) == 0
    said = capsys.readouterr()
    assert "locked" in said.out
    path, out = tmp_path / "out" / "ckpt.pt", tmp_path / "exported"
    done, before = load(path), portable_state(read_model(str(folders[kind])).model)
    state = portable_state(done.model)
    changed = {name for name, tensor in state.items() if not torch.equal(tensor, before[name])}
    maps = ("attn.in_proj_weight", "attn.out_proj.weight", "mlp.c_fc.weight", "mlp.c_proj.weight")
    assert changed == {name for name in state if ".resblocks." in name and name.endswith(maps)}
    assert all(torch.linalg.matrix_rank((state[name] - before[name]).double(), rtol=1e-4) <= 3 for name in changed if "in_proj" not in name)
    assert "Only additions of rank 3 to its weights were trained (LoRA)" in done.data_card
    assert export_main([str(path), str(out), "--to", "huggingface"]) == 0
    ours, exported = (load_encoder(str(place), device="cpu", dtype="float32") for place in (path, out))
    np.testing.assert_allclose(ours.encode_texts(PROMPTS[2:4]), exported.encode_texts(PROMPTS[2:4]), atol=1e-5)
    assert main([written_run(tmp_path, kind, folders), "--quiet"]) == 0
    assert "already finished" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize("sharded", [False, True])
def test_killed_and_resumed_it_is_equal_to_the_bit(sharded, folders, tmp_path):
    run = written_run(tmp_path, "siglip", folders, run=f"save_every = 4\nsharded = {str(sharded).lower()}")
    assert main([run, "--quiet", f"run.out={tmp_path}/whole"]) == 0
    with pytest.raises(VlmAuditError, match="process 0 of 1 ended with -9"):
        spawn(train_and_die, 1, 6, run, group=False)
    assert main([run, "--quiet"]) == 0
    whole, resumed = (portable_state(load(tmp_path / name / "ckpt.pt").model) for name in ("whole", "out"))
    assert_same_bytes(whole, resumed)


@pytest.mark.slow
def test_in_two_processes_and_parts_it_is_the_same(folders, tmp_path):
    run = written_run(tmp_path, "siglip", folders, optim="accumulate = 2")
    inputs = loop.prepare(read_config(run))
    training, _ = after(inputs, 10)
    whole = merged(portable_state(training.model))
    for mode in ("ddp", "fsdp2"):
        finish_in_a_group(run, tmp_path / mode, f"run.dist={mode}")
        state = portable_state(load(tmp_path / mode / "ckpt.pt").model)
        for name, tensor in whole.items():
            np.testing.assert_allclose(state[name], tensor.detach(), atol=3e-4, err_msg=name)


def test_a_stopped_sharded_run_becomes_one_file_with_merged_weights_that_resumes(folders, tmp_path):
    run = written_run(tmp_path, "siglip", folders, run="save_every = 4\nsharded = true")
    inputs = loop.prepare(read_config(run))
    (tmp_path / "out").mkdir()
    training, _ = after(inputs, 4)
    loop.save_run(training, inputs)
    unshard(tmp_path / "out", tmp_path / "one.pt")
    one = load(tmp_path / "one.pt")
    assert_same_bytes(portable_state(one.model), merged(portable_state(training.model)))
    resumed, _ = after(inputs, 6, loop.resume(inputs, one, tmp_path / "one.pt"))
    through, _ = after(inputs, 6, training)
    assert_same_bytes(resumed.model.state_dict(), through.model.state_dict())


def test_settings_that_do_not_go_with_it_are_refused(folders, tmp_path):
    run = written_run(tmp_path, "clip", folders)
    for settings, words in (
        (["optim.ema=0.9"], "optim.ema must be 0 with optim.lora_rank"),
        (["optim.lora_rank=0"], "optim.lora_rank must be above 0"),
        (["loss.kind=caption"], "needs model.init, and loss.kind softmax or sigmoid"),
    ):
        with pytest.raises(UsageError, match=words):
            read_config(run, settings)
    locked = read_config(run, ["optim.multipliers={'transformer' = 0}"])
    with pytest.raises(UsageError, match="locks every parameter"):
        loop.start(loop.prepare(locked))
    only_text = loop.start(loop.prepare(read_config(run, ["optim.multipliers={'^visual' = 0}"])))
    learned = {name for name, p in only_text.model.named_parameters() if p.requires_grad}
    assert learned
    assert all("lora_" in name and not name.startswith("visual") for name in learned)


def test_saved_state_goes_on(folders, tmp_path):
    inputs = loop.prepare(read_config(written_run(tmp_path, "clip", folders)))
    (tmp_path / "out").mkdir()
    through, _ = after(inputs, 6)
    half, _ = after(inputs, 3)
    resumed, _ = after(inputs, 3, saved_and_resumed(half, inputs))
    assert_same_bytes(through.model.state_dict(), resumed.model.state_dict())
