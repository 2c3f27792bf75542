"""Folders of generative models that name something else to load, run or allocate: refused before anything of it happens."""

import io
import json
import shutil
import sys
from contextlib import suppress
from pathlib import Path

import pytest
import torch
import transformers as hf

from audit.errors import DataError, UnsafeError
from audit.extensions.generative.processor import PARTS, load_processor
from audit.models import load
from tests.support.model_folders import edited, evil, refused

CODE = """
open({canary!r}, "w")
from transformers import PretrainedConfig
class C(PretrainedConfig): model_type = "x"
class M: pass
"""


@pytest.fixture
def copy(folders, tmp_path):
    return Path(shutil.copytree(folders("llava"), tmp_path / "copy"))


@pytest.fixture
def code(tmp_path, monkeypatch):
    """A folder beside the model whose code would touch a file, before a user who says yes to everything."""
    canary, folder = tmp_path / "CANARY", tmp_path / "evil" / "sub"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({"model_type": "x", "auto_map": {"AutoConfig": "x.C", "AutoModel": "x.M"}}))
    (folder / "x.py").write_text(CODE.format(canary=str(canary)))
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n" * 100))
    yield folder
    assert not canary.exists()


def test_a_model_for_sound_that_a_processor_names_is_not_loaded(copy, code):
    named = {"audio_tokenizer_class": "AutoModel", "audio_tokenizer_name_or_path": str(code)}
    edited(copy / "processor_config.json", {"audio_tokenizer": named})
    error = refused(copy, UnsafeError, "names something else to open: key 'audio_tokenizer'")
    assert error.where == str(copy / "processor_config.json")


def test_a_processor_is_put_together_without_what_else_it_names_even_where_the_check_fails(copy, code, monkeypatch):
    """Two walls: of the same folder nothing is run when its configurations are not checked at all."""
    named = {"audio_tokenizer_class": "AutoModel", "audio_tokenizer_name_or_path": str(code)}
    edited(copy / "processor_config.json", {"audio_tokenizer": named})
    monkeypatch.setattr("strictio.model_folders.check.check_configurations", lambda folder: None)
    with suppress(DataError):
        load(str(copy))


def test_weights_that_a_timm_tower_would_unpickle_are_refused(copy, tmp_path):
    canary = tmp_path / "CANARY"
    torch.save(evil(canary), copy / "evil.pth")
    tower = {"model_type": "timm_wrapper", "architecture": "resnet18", "model_args": {"checkpoint_path": str(copy / "evil.pth")}}
    edited(copy / "config.json", {"vision_config": tower})
    refused(copy, UnsafeError, "checkpoint_path")
    assert not canary.exists()


@pytest.mark.parametrize(
    ("name", "kind", "says"),
    [
        ("EvollaProcessor", UnsafeError, "has a part that is not loaded: protein_tokenizer"),
        ("DiaProcessor", DataError, "does not read images and text together"),
    ],
)
def test_a_processor_of_other_parts_is_refused(copy, name, kind, says):
    edited(copy / "processor_config.json", {"processor_class": name})
    refused(copy, kind, says)


def test_a_processor_named_nowhere_is_that_of_the_model(copy):
    for file in ("processor_config.json", "tokenizer_config.json"):
        content = json.loads((copy / file).read_text())
        content.pop("processor_class", None)
        (copy / file).write_text(json.dumps(content))
    processor = load_processor(copy, hf.AutoConfig.from_pretrained(copy))
    assert type(processor).__name__ == "LlavaProcessor"


def test_every_part_is_one_that_is_loaded_by_itself(folders):
    """The sub-folder of InstructBLIP's second tokenizer, and the video processors that Qwen2-VL and InternVL take."""
    for name, parts in (("instructblip_t5", "qformer_tokenizer"), ("qwen2_5_vl", "video_processor"), ("internvl", "video_processor")):
        folder = folders(name)
        ours, theirs = load_processor(folder, hf.AutoConfig.from_pretrained(folder)), hf.AutoProcessor.from_pretrained(folder)
        assert parts in PARTS
        assert type(getattr(ours, parts)).__name__ == type(getattr(theirs, parts)).__name__
        assert ours.to_dict() == theirs.to_dict()
        assert ours.chat_template == theirs.chat_template


def test_without_its_second_tokenizer_a_model_is_refused_and_does_not_read_other_words(folders, tmp_path):
    folder = Path(shutil.copytree(folders("instructblip_t5"), tmp_path / "copy"))
    shutil.rmtree(folder / "qformer_tokenizer")
    refused(folder, DataError, "no second tokenizer")


@pytest.mark.parametrize("file", ["chat_template.json", "processor_config.json"])
def test_chat_templates_are_found_where_transformers_finds_them(copy, file):
    (copy / "chat_template.jinja").unlink()
    content = json.loads((copy / file).read_text()) if (copy / file).exists() else {}
    (copy / file).write_text(json.dumps(content | {"chat_template": "{{ messages }}"}))
    ours, theirs = load_processor(copy, hf.AutoConfig.from_pretrained(copy)), hf.AutoProcessor.from_pretrained(copy)
    assert ours.chat_template == theirs.chat_template == "{{ messages }}"


def test_a_model_of_several_chat_templates_has_them_all(copy):
    (copy / "additional_chat_templates").mkdir()
    (copy / "additional_chat_templates" / "tool.jinja").write_text("tool")
    templates = load_processor(copy, hf.AutoConfig.from_pretrained(copy)).chat_template
    assert templates == {"default": (copy / "chat_template.jinja").read_text(), "tool": "tool"}


@pytest.mark.parametrize(
    ("file", "changes", "says"),
    [
        ("processor_config.json", {"image_processor.crop_size": {"height": 60_000, "width": 60_000}}, "crop_size.height is 60,000"),
        ("processor_config.json", {"image_processor.size": [60_000, 60_000]}, "size is 60,000"),
        ("processor_config.json", {"patch_size": 0.0001}, "patch_size is 0.0001"),
        ("processor_config.json", {"num_additional_image_tokens": 10**9}, "num_additional_image_tokens is 1,000,000,000"),
        ("config.json", {"text_config.num_hidden_layers": 10**9}, "num_hidden_layers is 1,000,000,000"),
        ("config.json", {"image_seq_length": 10**9}, "image_seq_length is 1,000,000,000"),
    ],
)
def test_sizes_are_refused_before_anything_is_allocated(copy, file, changes, says):
    edited(copy / file, changes)
    error = refused(copy, UnsafeError, "a size that no model has")
    assert says in error.why
    assert error.where == str(copy / file)


def test_quantised_weights_are_refused(copy):
    edited(copy / "config.json", {"quantization_config": {"quant_method": "torchao", "quant_type": "int8"}})
    refused(copy, DataError, "quantised weights are not read")
