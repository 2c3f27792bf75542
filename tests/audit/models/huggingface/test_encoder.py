"""Hugging Face folders: the same scores as transformers' own pipeline, the same model wherever it lies, and nothing foreign run."""

import json
import logging
import os
import shutil
import socket
import struct
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from audit.errors import DataError, MachineError, UnsafeError, UsageError
from audit.measure.zero_shot import cosine_scores, probabilities
from audit.models import load
from audit.models.huggingface.objects import encoder_of_pair
from audit.options.audits import AuditRequest
from audit.types import Encoder
from strictio.weights.readers import safetensors_file
from tests.support.attacks import assert_is_attacked, assert_within, pixels_seen
from tests.support.model_families import sentence_pieces
from tests.support.model_folders import all_faces, edited, evil, noise_and_colours, refused, saved
from tests.support.notes import sentences

LABELS = [
    *(f"{race} {gender}" for race in ("White", "Black", "Indian", "Latino", "Middle Eastern", "Southeast Asian", "East Asian")
      for gender in ("man", "woman")),
    "animal", "gorilla", "chimpanzee", "orangutan", "thief", "criminal", "suspicious person",
]  # fmt: skip
"""The 21 labels of the CLIP paper's denigration probe."""
PROMPTS = [f"a photo of a {label}" for label in LABELS]
TOWER = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
WORDS = sorted({word for prompt in PROMPTS for word in prompt.lower().split()})


def clip_tokenizer():
    """CLIP's own class over a small vocabulary: all bytes, and merges that spell the words of the prompts from left to right."""
    from tokenizers import pre_tokenizers
    from transformers import CLIPTokenizer

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    spelled = [[*word[:-1], f"{word[-1]}</w>"] for word in WORDS]
    merges = list(dict.fromkeys(("".join(word[:i]), word[i]) for word in spelled for i in range(1, len(word))))
    # The end of text has the largest id, as CLIP's has.
    tokens = [*letters, *(f"{letter}</w>" for letter in letters), *map("".join, merges), "<|startoftext|>", "<|endoftext|>"]
    return CLIPTokenizer(vocab={token: i for i, token in enumerate(tokens)}, merges=merges, model_max_length=77)


def random_clip():
    from transformers import CLIPConfig, CLIPModel

    tokenizer = clip_tokenizer()
    text = {**TOWER, "vocab_size": len(tokenizer), "bos_token_id": len(tokenizer) - 2, "eos_token_id": len(tokenizer) - 1}
    torch.manual_seed(1)
    towers = {"text_config": {**text, "pad_token_id": len(tokenizer) - 1}, "vision_config": {**TOWER, "image_size": 48, "patch_size": 16}}
    config = CLIPConfig(**towers, projection_dim=16, logit_scale_init_value=np.log(100.0))
    return CLIPModel(config), tokenizer


@pytest.fixture(scope="module")
def clip_folder(tmp_path_factory):
    from transformers import CLIPImageProcessor

    model, tokenizer = random_clip()
    processor = CLIPImageProcessor(size={"shortest_edge": 48}, crop_size={"height": 48, "width": 48})
    return saved(tmp_path_factory.mktemp("models") / "clip", model.eval(), tokenizer, processor)


@pytest.fixture(scope="module")
def siglip_folder(tmp_path_factory):
    from transformers import SiglipConfig, SiglipImageProcessor, SiglipModel

    tokenizer = sentence_pieces(WORDS)
    torch.manual_seed(1)
    config = SiglipConfig(
        text_config={**TOWER, "vocab_size": len(tokenizer), "projection_size": 32, "eos_token_id": 0, "pad_token_id": 0, "bos_token_id": 1},
        vision_config={**TOWER, "image_size": 48, "patch_size": 16},
    )
    model = SiglipModel(config)
    with torch.no_grad():
        model.logit_scale.fill_(np.log(20.0))
        model.logit_bias.fill_(-2.0)
    return saved(
        tmp_path_factory.mktemp("models") / "siglip", model.eval(), tokenizer, SiglipImageProcessor(size={"height": 48, "width": 48})
    )


@pytest.mark.slow_except("clip")
@pytest.mark.parametrize("kind", ["clip", "siglip"])
def test_a_model_with_its_processor_is_the_model_of_their_folder(kind, clip_folder, siglip_folder):
    from types import SimpleNamespace

    from transformers import AutoImageProcessor, AutoModel, AutoTokenizer

    folder = {"clip": clip_folder, "siglip": siglip_folder}[kind]
    model = AutoModel.from_pretrained(folder, dtype=torch.float32)
    parts = {"image_processor": AutoImageProcessor.from_pretrained(folder), "tokenizer": AutoTokenizer.from_pretrained(folder)}
    pair = (model, SimpleNamespace(**parts))
    request = AuditRequest(model=pair, probe="fairface")
    assert request.model == (pair,)
    ours, theirs = encoder_of_pair(*pair), load(str(folder))
    assert isinstance(ours, Encoder)
    images = made_up_images()[:8]
    np.testing.assert_allclose(ours.encode_images(images), theirs.encode_images(images), atol=1e-5)
    np.testing.assert_allclose(ours.encode_texts(PROMPTS), theirs.encode_texts(PROMPTS), atol=1e-5)
    assert (ours.record.logit_scale, ours.record.logit_bias) == (theirs.record.logit_scale, theirs.record.logit_bias)
    before = ours.record.fingerprint
    assert encoder_of_pair(*pair).record.fingerprint == before
    with torch.no_grad():
        next(iter(model.parameters())).add_(1e-3)
    assert encoder_of_pair(*pair).record.fingerprint != before
    with pytest.raises(UsageError, match=r"is in training mode\nwhy: .*\nfix: model.eval\(\)"):
        encoder_of_pair(model.train(), pair[1])
    with pytest.raises(UsageError, match="has no image_processor"):
        encoder_of_pair(model.eval(), parts["tokenizer"])
    with pytest.raises(UsageError, match=r"a model with its processor: model=\(model, processor\)"):
        AuditRequest(model=model, probe="fairface")


@pytest.fixture
def copy(clip_folder, tmp_path):
    return Path(shutil.copytree(clip_folder, tmp_path / "copy"))


def made_up_images():
    return noise_and_colours((33, 77))


def our_scores(folder, images):
    encoder = load(str(folder))
    rows = np.concatenate([encoder.encode_images(images[start : start + 32]) for start in range(0, len(images), 32)])
    return probabilities(cosine_scores(rows, encoder.encode_texts(PROMPTS)), encoder.record)


def pipeline_scores(folder, images):
    """Scores of transformers' own pipeline, back in the order of the labels (it sorts them)."""
    from transformers import pipeline

    classify = pipeline("zero-shot-image-classification", model=str(folder), device="cpu")
    answers = [{entry["label"]: entry["score"] for entry in classify(image, PROMPTS, hypothesis_template="{}")} for image in images]
    return np.array([[answer[prompt] for prompt in PROMPTS] for answer in answers])


def assert_same_scores(folder, images):
    """Within 1e-5, and the same best label for every image.

    Two labels whose scores differ by less than the two programs do (some 1e-6: single against double precision) would be a tie, and either
    might be named. The models here are made so that no image has such a tie, and that is asserted: nothing is left out of the comparison.
    """
    ours, theirs = our_scores(folder, images), pipeline_scores(folder, images)
    error = np.abs(ours - theirs).max()
    assert error < 1e-5
    best_two = np.sort(theirs, axis=1)[:, -2:]
    assert (best_two[:, 1] - best_two[:, 0]).min() > 2 * error
    np.testing.assert_array_equal(ours.argmax(axis=1), theirs.argmax(axis=1))
    assert theirs.std(axis=0).max() > 0.05  # the images do get different scores
    assert len(set(theirs.argmax(axis=1))) > 2  # and different answers


@pytest.mark.slow_except("clip_folder")
@pytest.mark.parametrize("kind", ["clip_folder", "siglip_folder"])
def test_made_up_images_get_the_scores_of_the_pipeline(kind, request):
    assert_same_scores(request.getfixturevalue(kind), made_up_images())


@pytest.mark.slow
@pytest.mark.faces
@pytest.mark.parametrize("kind", ["clip_folder", "siglip_folder"])
def test_180_faces_get_the_scores_of_the_pipeline(kind, request, fairface_dir):
    assert_same_scores(request.getfixturevalue(kind), all_faces(fairface_dir))


def test_softmax_scores_sum_to_one_and_sigmoid_scores_do_not(clip_folder, siglip_folder):
    images = made_up_images()[:3]
    np.testing.assert_allclose(our_scores(clip_folder, images).sum(axis=1), 1)
    sigmoid = our_scores(siglip_folder, images)
    assert (np.abs(sigmoid.sum(axis=1) - 1) > 0.1).all()
    record = load(str(siglip_folder)).record
    assert (record.score_rule, record.logit_bias) == ("sigmoid", -2.0)
    assert record.logit_scale == pytest.approx(20)


def test_siglip_never_sees_a_mask(siglip_folder, tmp_path):
    """It was trained with its padding visible; a tokenizer that gives a mask all the same changes nothing but a note."""
    masked = Path(shutil.copytree(siglip_folder, tmp_path / "siglip"))
    edited(masked / "tokenizer_config.json", {"model_input_names": ["input_ids", "attention_mask"]})
    encoder, plain = load(str(masked)), load(str(siglip_folder))
    np.testing.assert_array_equal(encoder.encode_texts(PROMPTS), plain.encode_texts(PROMPTS))
    assert (len(sentences(encoder.record.notes)), len(sentences(plain.record.notes))) == (1, 0)


@pytest.mark.slow_except("clip_folder")
@pytest.mark.parametrize("kind", ["clip_folder", "siglip_folder"])
def test_an_attack_follows_the_gradients_and_leaves_the_model_as_it_was(kind, request):
    assert_is_attacked(load(str(request.getfixturevalue(kind))), made_up_images(), PROMPTS[:5])


@pytest.mark.slow_except("clip_folder-mean0-std0")
@pytest.mark.parametrize(
    ("kind", "mean", "std"),
    [
        ("clip_folder", (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)),
        ("siglip_folder", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    ],
)
def test_a_budget_is_in_levels_of_the_pixels_that_the_model_sees(kind, mean, std, request, monkeypatch):
    """Three levels of 255, whatever a level is once it is divided by the standard deviation of its channel."""
    encoder = load(str(request.getfixturevalue(kind)))
    texts = encoder.encode_texts(PROMPTS[:3])
    seen = pixels_seen(monkeypatch, encoder._model, "get_image_features", mean, std, keyword=True)
    encoder.attacked(made_up_images(), texts, [0, 1, 2] * 4, 3.0, 5)
    assert len(seen) == 6
    assert_within(seen, 3.0)


def test_pictures_that_are_not_whole_pixels_are_not_attacked(clip_folder, monkeypatch):
    """A processor that does something else with pixels than to normalise them: what a level is, is not known."""
    encoder = load(str(clip_folder))
    given = encoder.image_inputs
    monkeypatch.setattr(encoder, "image_inputs", lambda images: {"pixel_values": given(images)["pixel_values"] * 1.01})
    assert encoder.attacked(made_up_images(), encoder.encode_texts(PROMPTS[:2]), [0] * 12, 1.0, 1) is None


def test_the_record_says_what_was_loaded(clip_folder):
    encoder = load(str(clip_folder))
    record = encoder.record
    assert isinstance(encoder, Encoder)
    assert record.name.endswith("/clip")
    assert record.kind == "Hugging Face CLIPModel"
    assert (record.dimensions, record.dtype, record.score_rule, record.logit_bias) == (16, "float32", "softmax", None)
    assert record.logit_scale == pytest.approx(100)
    assert record.architecture == f"image: width 32, layers 2, px 48, patch 16; text: width 32, layers 2, tokens {len(clip_tokenizer())}"
    assert "CLIPImageProcessor" in record.preprocessing
    assert '"shortest_edge":48' in record.preprocessing
    assert "context 77" in record.tokenizer
    assert str(clip_folder) not in repr(record)
    assert sentences(record.notes) == ()


def test_features_come_out_as_float32_in_any_dtype(clip_folder):
    images = made_up_images()[:2]
    exact, half = (load(str(clip_folder), dtype=dtype) for dtype in ("float32", "bfloat16"))
    assert half.encode_images(images).dtype == np.float32
    assert half.encode_texts(PROMPTS[:2]).dtype == np.float32
    cosines = np.diag(cosine_scores(exact.encode_images(images), half.encode_images(images)))
    assert (cosines > 0.999).all()
    assert not np.array_equal(exact.encode_images(images), half.encode_images(images))
    assert exact.record.fingerprint != half.record.fingerprint


@pytest.mark.slow_except("clip_folder")
@pytest.mark.parametrize("kind", ["clip_folder", "siglip_folder"])
def test_what_shares_a_batch_does_not_matter(kind, request):
    encoder, images = load(str(request.getfixturevalue(kind))), made_up_images()
    alone = np.concatenate([encoder.encode_images([image]) for image in images])
    np.testing.assert_allclose(encoder.encode_images(images), alone, atol=1e-5)
    alone = np.concatenate([encoder.encode_texts([prompt]) for prompt in PROMPTS])
    np.testing.assert_allclose(encoder.encode_texts(PROMPTS), alone, atol=1e-5)


def test_a_prompt_that_does_not_fit_is_refused_not_cut(clip_folder, siglip_folder):
    for folder, tokens in ((clip_folder, 77), (siglip_folder, 64)):
        with pytest.raises(DataError, match="too long") as caught:
            load(str(folder)).encode_texts(["a man", "a man " * 80])
        assert f"reads {tokens}" in caught.value.why


# The fingerprint: what decides an embedding, and nothing else.


def test_the_same_model_elsewhere_is_the_same_model(clip_folder, copy):
    os.utime(copy / "model.safetensors", (0, 0))
    edited(copy / "config.json", {"_name_or_path": "somewhere/else", "transformers_version": "5.3.0"})
    encoder, there = load(str(clip_folder)), load(str(copy)).record
    here = encoder.record
    encoder.encode_texts(PROMPTS)  # the fingerprint is taken before the tokenizer remembers its padding
    assert load(str(clip_folder)).record.fingerprint == here.fingerprint
    assert here.fingerprint == there.fingerprint
    assert here.sha256 == there.sha256
    assert here.name != there.name


def test_one_changed_weight_in_the_same_place_is_another_model(copy):
    before, path = load(str(copy)).record, copy / "model.safetensors"
    stamp = path.stat()
    content = bytearray(path.read_bytes())
    content[-2] ^= 1
    path.write_bytes(bytes(content))
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert load(str(copy)).record.fingerprint != before.fingerprint


@pytest.mark.slow_except("change0", "change1")
@pytest.mark.parametrize(
    "change", [{"resample": 2}, {"do_center_crop": False, "size": {"height": 48, "width": 48}}, {"image_mean": [0.5] * 3}]
)
def test_other_preprocessing_is_another_model(copy, change):
    before = load(str(copy)).record
    (path,) = copy.glob("*processor_config.json")
    settings = json.loads(path.read_text())
    (settings.get("image_processor") or settings).update(change)
    path.write_text(json.dumps(settings))
    after = load(str(copy)).record
    assert after.fingerprint != before.fingerprint
    assert after.sha256 == before.sha256


def test_another_vocabulary_or_activation_is_another_model(copy):
    before = load(str(copy)).record.fingerprint
    edited(copy / "config.json", {"vision_config.hidden_act": "gelu"})
    gelu = load(str(copy)).record.fingerprint
    words = json.loads((copy / "tokenizer.json").read_text())
    words["model"]["merges"].pop()
    (copy / "tokenizer.json").write_text(json.dumps(words))
    assert len({before, gelu, load(str(copy)).record.fingerprint}) == 3


# Hostile and damaged folders.


@pytest.mark.parametrize(
    "key", ["auto_map", "_attn_implementation_internal", "_attn_implementation", "attn_implementation", "trust_remote_code"]
)
@pytest.mark.parametrize("where", ["config.json", "tokenizer_config.json", "config.json:text_config."])
def test_a_configuration_that_asks_for_code_is_refused(copy, tmp_path, key, where):
    file, _, place = where.partition(":")
    edited(copy / file, {place + key: {"AutoModel": "evil.Model"}})
    (copy / "evil.py").write_text(f"open({str(tmp_path / 'CANARY')!r}, 'w').close()\n")
    error = refused(copy, UnsafeError, key)
    assert error.exit_code == 4
    assert not (tmp_path / "CANARY").exists()


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "open_clip_config.json", "notes.txt", "x.npz", "x.pt"])
def test_a_pipe_in_the_folder_or_instead_of_a_file_is_refused_not_waited_for(copy, name):
    (copy / name).unlink(missing_ok=True)
    os.mkfifo(copy / name)
    refused(copy, DataError, f"{name} is not a regular file")
    if name.partition(".")[2] in ("safetensors", "npz", "pt"):
        refused(copy / name, DataError, "not a regular file")


def test_a_link_inside_the_folder_is_fine_and_one_that_leaves_it_refused(copy, tmp_path):
    (copy / "model.safetensors").rename(copy / "weights.safetensors")
    (copy / "model.safetensors").symlink_to("weights.safetensors")
    assert load(str(copy)).record.dimensions == 16
    (copy / "model.safetensors").unlink()
    (copy / "weights.safetensors").rename(tmp_path / "weights")
    (copy / "model.safetensors").symlink_to(tmp_path / "weights")
    refused(copy, UnsafeError, r"model\.safetensors leaves")


def test_what_could_run_code_is_refused(copy, tmp_path):
    torch.save({"w": torch.zeros(3)}, copy / "model.safetensors")
    refused(copy, UnsafeError, r"named \.safetensors is not one")
    other = tmp_path / "other"
    other.mkdir()
    (other / "config.json").write_text('{"model_type": "clip", "auto_map": {}}')
    (other / "a_config.json").write_text("{")
    refused(other, UnsafeError, "auto_map")  # before what is missing or damaged
    (tmp_path / ".metadata").write_bytes(b"\x80\x04.")
    refused(tmp_path, UnsafeError, "DCP")


def bad_shape(_):
    header = json.dumps({"w": {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 16]}}).encode()
    return struct.pack("<Q", len(header)) + header + b"\0" * 16


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda content: content[:-4], "damaged"), (lambda content: struct.pack("<Q", 2**62) + content[8:], "damaged"),
        (lambda content: content + b"PK\x03\x04polyglot", "damaged"), (bad_shape, "damaged"), (lambda _: b"", "empty"),
        (lambda _: b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n", "Git-LFS pointer"),
        (lambda _: b"<!doctype html><title>Sign in</title>", "HTML page"),
    ],
)  # fmt: skip
def test_damaged_weights_are_bad_data_with_the_readers_reason(copy, damage, says):
    path = copy / "model.safetensors"
    path.write_bytes(damage(path.read_bytes()))
    error = refused(copy, DataError, says)
    assert error.exit_code == 3
    assert says != "damaged" or error.why
    refused(path, DataError, says)


def test_a_header_that_would_take_minutes_is_refused(tmp_path, monkeypatch):
    from safetensors.torch import save_file

    save_file({f"w{i}": torch.zeros(1) for i in range(100)}, tmp_path / "x.safetensors")
    monkeypatch.setattr(safetensors_file, "MAX_HEADER_BYTES", 1000)
    refused(tmp_path / "x.safetensors", UnsafeError, "header")


def change_weights(folder, change):
    from safetensors.torch import load_file, save_file

    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def test_a_weight_that_is_no_number_is_named(copy):
    change_weights(copy, lambda tensors: tensors["visual_projection.weight"][0, :2].fill_(float("nan")))
    refused(copy, DataError, r"visual_projection\.weight.*2 values")


def test_weights_that_do_not_fit_are_never_loaded_in_part(copy):
    def change(tensors):
        del tensors["text_projection.weight"]
        tensors["stranger"] = torch.zeros(3)
        tensors["visual_projection.weight"] = torch.zeros(3, 3)

    change_weights(copy, change)
    error = refused(copy, DataError, "do not fit")
    for name in ("1 missing (text_projection.weight)", "1 unexpected (stranger)", "1 mismatched (visual_projection.weight)"):
        assert name in error.why
    # A configuration of 640 million weights takes no memory.
    edited(copy / "config.json", {"text_config.vocab_size": 2 * 10**7})
    assert "640,0" in refused(copy, DataError, "do not fit").why


def test_weights_in_several_files_are_one_model(copy):
    from safetensors.torch import load_file, save_file

    whole = load(str(copy)).encode_texts(PROMPTS[:3])
    tensors = load_file(copy / "model.safetensors")
    names = list(tensors)
    shards = {"model-00001-of-00002.safetensors": names[::2], "model-00002-of-00002.safetensors": names[1::2]}
    for shard, part in shards.items():
        save_file({name: tensors[name] for name in part}, copy / shard)
    index = {"weight_map": {name: shard for shard, part in shards.items() for name in part}}
    (copy / "model.safetensors").unlink()
    (copy / "model.safetensors.index.json").write_text(json.dumps(index))
    np.testing.assert_array_equal(load(str(copy)).encode_texts(PROMPTS[:3]), whole)

    index["weight_map"][names[0]] = "../weights.safetensors"
    (copy / "model.safetensors.index.json").write_text(json.dumps(index))
    refused(copy, DataError, "does not lead to the weights")


def test_pickled_weights_are_read_by_the_restricted_reader(copy, tmp_path):
    from safetensors.torch import load_file

    whole = load(str(copy)).encode_images(made_up_images()[:2])
    tensors = load_file(copy / "model.safetensors")
    (copy / "model.safetensors").unlink()
    torch.save(tensors, copy / "pytorch_model.bin")
    encoder = load(str(copy))
    np.testing.assert_array_equal(encoder.encode_images(made_up_images()[:2]), whole)
    assert "executes nothing" in sentences(encoder.record.notes)[0]

    torch.save({**tensors, "more": evil(tmp_path / "CANARY")}, copy / "pytorch_model.bin")
    refused(copy, UnsafeError, r"posix\.system")
    assert not (tmp_path / "CANARY").exists()


@pytest.mark.parametrize(
    ("missing", "says"),
    [
        ("config.json", "no config.json"), ("model.safetensors", "no weights"), ("tokenizer.json", "no tokenizer"),
        ("*processor_config.json", "no preprocessor_config.json"),
    ],
)  # fmt: skip
def test_a_missing_file_is_named(copy, missing, says):
    for path in copy.glob(missing):
        path.unlink()
    refused(copy, DataError, says)


def test_a_configuration_that_is_no_json_or_of_no_dual_encoder_is_an_error(copy):
    for content, says in (
        ("{", "not readable JSON"), ("[" * 100_000, "not readable JSON"), ("[]", "not a JSON object"),
        ('{"model_type": "no-such"}', "does not make"), ('{"model_type": "bert"}', "'bert' is not a dual encoder"),
    ):  # fmt: skip
        (copy / "config.json").write_text(content)
        refused(copy, DataError, says)


def test_a_tokenizer_of_another_model_is_refused(copy):
    """Its ids lie outside the text tower's table."""
    edited(copy / "config.json", {"text_config.vocab_size": 40})
    change_weights(copy, lambda t: t.update({"text_model.embeddings.token_embedding.weight": torch.zeros(40, 32)}))
    refused(copy, DataError, "tokenizer does not fit the model")


def test_other_files_get_a_hint(tmp_path):
    (tmp_path / "shards").mkdir()
    assert f"python -m contrastive.unshard {tmp_path} ckpt.pt" in refused(tmp_path, DataError).fix
    (tmp_path / "open_clip_config.json").write_text("{}")
    assert "open_clip" in refused(tmp_path, DataError).fix


def test_memory_that_does_not_suffice_is_the_machines_fault(siglip_folder, monkeypatch):
    from transformers import SiglipModel

    def get_image_features(self, **_):
        raise RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory")

    monkeypatch.setattr(SiglipModel, "get_image_features", get_image_features)
    refused(siglip_folder, MachineError, "memory does not suffice")


@pytest.mark.skipif(find_spec("sentencepiece") is not None, reason="the package is there")
def test_a_missing_package_is_the_machines_fault(copy):
    """SigLIP's own tokenizer needs sentencepiece."""
    edited(copy / "tokenizer_config.json", {"tokenizer_class": "SiglipTokenizer"})
    refused(copy, MachineError, "not installed")


def test_an_unknown_device_or_dtype_is_an_error(clip_folder):
    refused(clip_folder, UsageError, "no device 'abacus'", device="abacus")
    refused(clip_folder, UsageError, "no dtype 'int3'", dtype="int3")
    refused(clip_folder, MachineError, "no device 'cuda:99'", device="cuda:99")


# The network.


def test_a_local_model_opens_no_socket_prints_nothing_and_leaves_the_settings_of_other_libraries_alone(clip_folder, monkeypatch, capfd):
    from huggingface_hub import constants
    from transformers.utils import logging as noise

    before = constants.HF_HUB_OFFLINE, noise.get_verbosity(), noise.is_progress_bar_enabled()
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    monkeypatch.setattr(socket.socket, "connect", lambda *_: pytest.fail("a socket was opened"))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: pytest.fail("a name was looked up"))
    load(str(clip_folder)).encode_texts(PROMPTS[:1])
    assert capfd.readouterr() == ("", "")
    assert (constants.HF_HUB_OFFLINE, noise.get_verbosity(), noise.is_progress_bar_enabled()) == before


def test_images_reach_the_processor_as_they_are(clip_folder, caplog):
    """One grey level of difference in one corner pixel of the crop changes the embedding: nothing is lost on the way."""
    caplog.set_level(logging.WARNING)
    encoder = load(str(clip_folder))
    plain = Image.new("RGB", (48, 48), (100, 100, 100))
    other = plain.copy()
    other.putpixel((0, 0), (101, 100, 100))
    rows = encoder.encode_images([plain, other, plain])
    np.testing.assert_array_equal(rows[0], rows[2])
    assert np.abs(rows[0] - rows[1]).max() > 0
    assert caplog.text == ""
