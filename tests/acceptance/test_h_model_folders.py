"""Rows H1 and H4: a folder that names code to load, and one that states sizes without bound."""

import io
import json
import shutil
import sys

import pytest

from tests.support.limits import GIB, limited_line, read_usage
from tests.support.model_folders import edited

CODE = "open({canary!r}, 'w')\nfrom transformers import PretrainedConfig\nclass C(PretrainedConfig): model_type = 'x'\nclass M: pass\n"


@pytest.fixture
def folder(bench, llava_folder):
    return shutil.copytree(llava_folder, bench.folder / "model")


@pytest.fixture
def data(inputs):
    return ("--probe", inputs / "short.py", "--data", inputs / "faces")


@pytest.mark.slow
def test_h1_what_a_processor_names_is_not_loaded_and_nobody_is_asked(bench, folder, data, monkeypatch):
    """``yes |`` once answered the question of transformers whether to run the code."""
    canary, evil = bench.folder / "CANARY", bench.folder / "evil" / "sub"
    evil.mkdir(parents=True)
    (evil / "config.json").write_text(json.dumps({"model_type": "x", "auto_map": {"AutoConfig": "x.C", "AutoModel": "x.M"}}))
    (evil / "x.py").write_text(CODE.format(canary=str(canary)))
    named = {"audio_tokenizer_class": "AutoModel", "audio_tokenizer_name_or_path": str(evil)}
    edited(folder / "processor_config.json", {"audio_tokenizer": named})
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n" * 100))
    done = bench.run("--model", folder, *data, code=4, said=["processor_config.json", "key 'audio_tokenizer'", "\nfix: "])
    assert "[y/N]" not in done.stdout + done.stderr
    assert not canary.exists()


@pytest.mark.parametrize(
    ("file", "changes", "said"),
    [
        ("processor_config.json", {"image_processor.crop_size": 60_000}, "crop_size is 60,000"),
        ("processor_config.json", {"image_processor.size": [60_000, 60_000]}, "size is 60,000"),
        ("processor_config.json", {"image_processor.min_pixels": 4 * 10**9}, "min_pixels is 4,000,000,000"),
        ("processor_config.json", {"image_processor.max_num_patches": 10**9}, "max_num_patches is 1,000,000,000"),
        ("config.json", {"image_seq_length": 10**9}, "image_seq_length is 1,000,000,000"),
    ],
)
def test_h4_sizes_without_bound_are_refused_by_file_and_key(bench, folder, data, file, changes, said):
    edited(folder / file, changes)
    bench.run("--model", folder, *data, code=4, said=[file, said, "\nfix: "])


@pytest.mark.slow
def test_h4_a_normaliser_that_multiplies_texts_takes_no_memory(bench, folder, data, tmp_path):
    content = json.loads((folder / "tokenizer.json").read_text())
    step = {"type": "Replace", "pattern": {"String": "a"}, "content": "a" * 10}
    content["normalizer"] = {"type": "Sequence", "normalizers": [step] * 9}
    (folder / "tokenizer.json").write_text(json.dumps(content))
    usage = tmp_path / "usage"
    said = ["a normalizer that multiplies texts", "\nfix: "]
    bench.process("--model", folder, *data, code=4, said=said, under=limited_line(usage, 3 * GIB))
    assert read_usage(usage).peak_mib < 1024
