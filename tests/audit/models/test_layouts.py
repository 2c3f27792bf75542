"""Ways in which a model is kept: each is audited with its checkpoint's numbers; an adapter is never ignored in silence."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from audit.models import load
from contrastive.checkpoint.file import Checkpoint, save
from contrastive.export import export
from contrastive.formats.initial import read_model
from contrastive.model.clip import CLIP, ModelConfig, TextConfig, ViTConfig, portable_state
from contrastive.model.preprocess import Preprocess
from contrastive.model.tokenizer import clip_tokenizer
from strictio.errors import DataError
from tests.support.command import command
from tests.support.made_once import made_once
from tests.support.model_folders import noise, refused
from tests.support.tiers import first
from tests.support.tiny import write_faces, write_probe

pytestmark = pytest.mark.usefixtures("one_thread")
CONFIG = ModelConfig(48, ViTConfig(32, 16, 64, 1), TextConfig(77, 49_408, 64, 1), activation="quick_gelu")
STATED = "activation=quick_gelu"


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """Return a folder with a checkpoint, its exports, pictures and a probe."""

    def make(folder):
        torch.set_num_threads(1)
        model = CLIP(CONFIG, torch.Generator().manual_seed(0)).eval()
        with torch.no_grad():
            for weight in model.parameters():
                weight.mul_(2)  # so that pictures and words differ
            model.logit_scale.fill_(3.0)
        made = Checkpoint(model, Preprocess(32), clip_tokenizer(77), step=7, data_card="made for a test")
        save(folder / "ckpt.pt", made)
        for kind in ("safetensors", "huggingface", "open_clip"):
            export(made, folder / kind, kind)
        torch.save({"model": model, "epoch": 3}, folder / "whole.pt")
        torch.save(model, folder / "bare.pt")
        write_faces(folder)
        write_probe(folder / "short.py")
        audit(folder, folder / "ckpt.pt", folder / "expected")

    return made_once(tmp_path_factory, "layouts", make)


def audit(kept, model, out, *more):
    words = ("--model", model, "--probe", kept / "short.py", "--data", kept, "--out", out, *more)
    return command(*words)


def facts(out):
    """Return what an audit found, and its model's notes."""
    found = json.loads((out / "results.json").read_text())["audits"][0]
    return found["findings"], found["model"]["notes"]


def assert_audited(kept, model, out, *more):
    done = audit(kept, model, out, *more)
    assert done.returncode == 0, done.stderr
    findings, notes = facts(out)
    assert len(findings) > 2
    assert findings == facts(kept / "expected")[0]
    return done, notes


def copy(source, target):
    return Path(shutil.copytree(source, target))


# ---- row 23: no dead ends


@pytest.mark.slow
def test_a_folder_that_holds_a_checkpoint_is_audited(kept, tmp_path):
    (tmp_path / "run").mkdir()
    shutil.copy(kept / "ckpt.pt", tmp_path / "run")
    (tmp_path / "run" / "log.jsonl").write_text("{}\n")
    assert_audited(kept, tmp_path / "run", tmp_path / "out")


@pytest.mark.slow
@pytest.mark.parametrize("name", first([""], of=["", "model.safetensors"]))
def test_our_own_export_to_safetensors_is_audited(kept, tmp_path, name):
    assert_audited(kept, kept / "safetensors" / name, tmp_path / "out")
    model = json.loads((tmp_path / "out" / "results.json").read_text())["audits"][0]["model"]
    assert (model["kind"], model["step"], model["data_card"]) == ("vlm-audit safetensors 1", 7, "made for a test")
    done = audit(kept, kept / "safetensors" / name, tmp_path / "refused", "--model-args", STATED)
    assert done.returncode == 2
    assert "activation cannot be set for an export of this project" in done.stderr


@pytest.mark.slow
def test_our_own_export_to_safetensors_can_be_trained_on(kept):
    read = read_model(str(kept / "safetensors"))
    assert torch.equal(read.model.visual.proj, read_model(str(kept / "ckpt.pt")).model.visual.proj)


@pytest.mark.slow_except("change1-tokenizer")
@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"config": 5}, "must be"), ({"tokenizer": None}, "tokenizer"), ({"preprocess": {"size": 64}}, "does not fit the model"),
        ({"config": {}}, "lacks the setting"),
    ],
)  # fmt: skip
def test_a_damaged_export_is_bad_data(kept, tmp_path, change, said):
    folder = copy(kept / "safetensors", tmp_path / "model")
    content = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**content, **change}))
    assert said in str(refused(folder, DataError))


@pytest.mark.slow
def test_weights_alone_in_a_folder_are_audited(kept, tmp_path):
    (tmp_path / "model").mkdir()
    shutil.copy(kept / "safetensors" / "model.safetensors", tmp_path / "model")
    asked = audit(kept, tmp_path / "model", tmp_path / "out")
    assert asked.returncode == 3
    assert "--model-args 'activation=" in asked.stderr  # as of the file itself
    assert_audited(kept, tmp_path / "model", tmp_path / "out", "--model-args", STATED)


def test_two_files_of_weights_in_a_folder_are_not_chosen_from(kept, tmp_path):
    (tmp_path / "model").mkdir()
    for name in ("a.safetensors", "b.safetensors"):
        shutil.copy(kept / "safetensors" / "model.safetensors", tmp_path / "model" / name)
    done = audit(kept, tmp_path / "model", tmp_path / "out")
    assert done.returncode == 3
    assert "found: a.safetensors, b.safetensors" in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("name", first(["whole.pt"], of=["bare.pt", "whole.pt"]))
def test_a_module_that_was_pickled_whole_is_audited_by_way_of_its_tensors(kept, tmp_path, name):
    done = audit(kept, kept / name, tmp_path / "out")
    assert done.returncode == 4
    assert "contrastive.model.clip.CLIP" in done.stderr
    assert "python -m contrastive.foreign" in done.stderr
    done = command(kept / name, tmp_path / "saved.safetensors", module="contrastive.foreign")
    assert done.returncode == 0
    assert_audited(kept, tmp_path / "saved.safetensors", tmp_path / "out", "--model-args", STATED)


@pytest.mark.slow
def test_a_mask_that_was_salvaged_is_no_diverged_weight(kept, tmp_path):
    state = load_file(kept / "safetensors" / "model.safetensors") | {"attn_mask": torch.full((77, 77), -torch.inf).triu(1)}
    save_file(state, tmp_path / "model.safetensors")
    assert_audited(kept, tmp_path / "model.safetensors", tmp_path / "out", "--model-args", STATED)


# ---- row 16: adapters


def with_adapter(folder):
    (folder / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA", "r": 4, "auto_mapping": None}))
    save_file({"base_model.model.visual.proj.lora_A.weight": torch.zeros(4, 4)}, folder / "adapter_model.safetensors")
    return folder


def wrapped(state):
    """Return weights as peft has them in memory, and saves them where only the model's own way of saving is used."""
    found = {f"base_model.model.{name}": tensor for name, tensor in state.items()}
    name = next(name for name in found if name.endswith(("visual.transformer.resblocks.0.mlp.c_fc.weight", "layers.0.mlp.fc1.weight")))
    place = name.removesuffix(".weight")
    found |= {f"{place}.base_layer.weight": found.pop(name), f"{place}.base_layer.bias": found.pop(f"{place}.bias")}
    return found | {f"{place}.lora_A.default.weight": torch.zeros(4, 64), f"{place}.lora_B.default.weight": torch.zeros(256, 4)}


def beside_hugging_face(kept, folder):
    return with_adapter(copy(kept / "huggingface", folder)), ()


def beside_open_clip(kept, folder):
    return with_adapter(copy(kept / "open_clip", folder)), ()


def beside_weights_alone(kept, folder):
    folder.mkdir()
    shutil.copy(kept / "safetensors" / "model.safetensors", folder)
    return with_adapter(folder), (STATED,)


def beside_the_file(kept, folder):
    beside_weights_alone(kept, folder)
    return folder / "model.safetensors", (STATED,)


def among_hugging_face(kept, folder):
    copy(kept / "huggingface", folder)
    save_file(wrapped(load_file(folder / "model.safetensors")), folder / "model.safetensors")
    return folder, ()


def among_open_clip(kept, folder):
    copy(kept / "open_clip", folder)
    save_file(wrapped(load_file(folder / "open_clip_model.safetensors")), folder / "open_clip_model.safetensors")
    return folder, ()


def among_one_file(kept, folder):
    folder.mkdir()
    torch.save({"state_dict": wrapped(portable_state(read_model(str(kept / "ckpt.pt")).model))}, folder / "model.pt")
    return folder / "model.pt", (STATED,)


LAYOUTS = (
    beside_hugging_face, beside_open_clip, beside_weights_alone, beside_the_file, among_hugging_face, among_open_clip, among_one_file,
)  # fmt: skip


@pytest.mark.slow_except("among_open_clip")
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_model_with_an_adapter_is_refused_or_loaded_without_it(kept, tmp_path, layout, caplog):
    model, stated = layout(kept, tmp_path / "model")
    args = dict(each.split("=") for each in stated)
    error = refused(model, DataError, r"adapter \(LoRA\)", model_args=args or None)
    assert "--model-args adapter=ignore" in error.fix
    encoder, images, texts = load(str(model), model_args={**args, "adapter": "ignore"}), noise((40, 30), (32, 32)), ["a cook", "a nurse"]
    assert "adapter ignored" in caplog.text.lower().replace("(lora) ", "")
    assert any("adapter" in str(note) for note in encoder.record.notes)
    own = load(str(kept / "ckpt.pt"))
    np.testing.assert_allclose(encoder.encode_images(images), own.encode_images(images), atol=1e-5)
    np.testing.assert_allclose(encoder.encode_texts(texts), own.encode_texts(texts), atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("layout", first([beside_hugging_face], of=LAYOUTS))
def test_an_adapter_is_refused_or_said(kept, tmp_path, layout):
    model, stated = layout(kept, tmp_path / "model")
    args = ["--model-args", " ".join(stated)] if stated else []
    done = audit(kept, model, tmp_path / "out", *args)
    assert done.returncode == 3, done.stderr
    assert "adapter (LoRA)" in done.stderr
    assert "--model-args adapter=ignore" in done.stderr
    assert not (tmp_path / "out" / "results.json").exists()
    done, notes = assert_audited(kept, model, tmp_path / "out", "--model-args", " ".join((*stated, "adapter=ignore")))
    assert "adapter ignored" in done.stderr.lower().replace("(lora) ", "")
    assert any("adapter" in json.dumps(note) for note in notes)
    assert "Adapter (LoRA) ignored" in (tmp_path / "out" / "report.html").read_text()


def test_an_adapter_alone_is_said_to_be_one(kept, tmp_path):
    (tmp_path / "model").mkdir()
    with_adapter(tmp_path / "model")
    for model in (tmp_path / "model", tmp_path / "model" / "adapter_model.safetensors"):
        for more in ((), ("--model-args", "adapter=ignore")):
            done = audit(kept, model, tmp_path / "out", *more)
            assert done.returncode == 3, done.stderr
            assert "adapter (LoRA)" in done.stderr
            assert "merge" in done.stderr


@pytest.mark.parametrize("args", ["adapter=apply", "adapter=ignore mean=0,0,0"])
def test_nothing_else_can_be_said_of_a_folder(kept, tmp_path, args):
    done = audit(kept, kept / "huggingface", tmp_path / "out", "--model-args", args)
    assert done.returncode == 2, done.stderr
    assert "--model-args" in done.stderr


def test_training_does_not_ignore_an_adapter_either(kept, tmp_path):
    folder, _ = beside_hugging_face(kept, tmp_path / "model")
    with pytest.raises(DataError, match="adapter") as caught:
        read_model(str(folder))
    assert "model.stated.adapter=ignore" in caught.value.fix
    assert read_model(str(folder), {"adapter": "ignore"}).notes.count("Stated by the user: adapter is ignore.") == 1
