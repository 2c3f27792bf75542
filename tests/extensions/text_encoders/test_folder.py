"""Encoders of text alone: the embeddings of sentence-transformers for its folders, a pooling by name for others, and nothing is run."""

import json
import shutil
from functools import cache

import numpy as np
import pytest
import torch
import transformers as hf

from audit.errors import DataError, UnsafeError, UsageError
from audit.models import load
from audit.types import Encoder, TextEncoder, model_type
from tests.support.model_folders import refused, saved
from tests.support.text_encoders import TEXTS, folder, tokenizer, transformer, write

POOLINGS = ("cls", "max", "mean", "mean_sqrt_len_tokens", "weightedmean", "lasttoken")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return folder(tmp_path_factory.mktemp("text") / "st", dense=7, normalize=True)


@pytest.fixture
def copy(made, tmp_path):
    return shutil.copytree(made, tmp_path / "copy")


@cache
def alone(path):
    return hf.AutoModel.from_pretrained(path).eval()


def token_rows(path, text):
    """Token embeddings of one text, by transformers alone: no padding, no batch."""
    model, tokens = alone(path), tokenizer()(text, return_tensors="pt")
    with torch.no_grad():
        return model(input_ids=tokens["input_ids"]).last_hidden_state[0].numpy()


def by_hand(name, rows):
    """The pooling of one text's token embeddings as plain sums."""
    weights = np.arange(1, len(rows) + 1)[:, None] if name == "weightedmean" else np.ones((len(rows), 1))
    total = (rows * weights).sum(axis=0)
    return {
        "cls": rows[0], "max": rows.max(axis=0), "mean": total / len(rows), "mean_sqrt_len_tokens": total / len(rows) ** 0.5,
        "weightedmean": total / weights.sum(), "lasttoken": rows[-1],
    }[name]  # fmt: skip


@pytest.mark.slow_except("True")
@pytest.mark.parametrize("old", [False, True])
def test_every_pooling_is_computed_as_by_hand_over_the_tokens_of_each_text_alone(old, tmp_path):
    path = folder(tmp_path / "st", pooling=POOLINGS, old=old)
    encoder = load(f"text:{path}")
    expected = [np.concatenate([by_hand(name, token_rows(path, text)) for name in POOLINGS]) for text in TEXTS]
    np.testing.assert_allclose(encoder.encode_texts(TEXTS), expected, atol=1e-5)
    assert np.ptp(expected, axis=0).min() > 1e-3, "a constant would be equal for the wrong reason"


def test_a_dense_layer_and_a_normalisation_follow_the_pooling(made):
    from safetensors.numpy import load_file

    encoder, weights = load(f"text:{made}"), load_file(made / "2_Dense/model.safetensors")
    means = np.stack([token_rows(made, text).mean(axis=0) for text in TEXTS])
    rows = np.tanh(means @ weights["linear.weight"].T + weights["linear.bias"])
    np.testing.assert_allclose(encoder.encode_texts(TEXTS), rows / np.linalg.norm(rows, axis=1, keepdims=True), atol=1e-5)
    assert isinstance(encoder, TextEncoder)
    assert not isinstance(encoder, Encoder)
    assert model_type(encoder) == "text encoder"
    assert encoder.record.dimensions == 7
    assert encoder.record.preprocessing == "none"


@pytest.mark.slow_except("llama")
@pytest.mark.parametrize("family", ["bert", "mpnet", "llama"])
def test_other_families_are_read_as_well(family, tmp_path):
    path = folder(tmp_path / family, pooling=("lasttoken",), family=family)
    expected = [token_rows(path, text)[-1] for text in TEXTS]
    np.testing.assert_allclose(load(f"text:{path}").encode_texts(TEXTS), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("pooling", "more"),
    [("mean", {"dense": 7, "normalize": True}), ("cls", {}), ("weightedmean", {}), ("lasttoken", {"family": "llama"})],
)
def test_embeddings_are_those_of_sentence_transformers(pooling, more, tmp_path):
    library = pytest.importorskip("sentence_transformers")
    path = folder(tmp_path / "st", pooling=(pooling,), **more)
    expected = library.SentenceTransformer(str(path)).encode(list(TEXTS))
    np.testing.assert_allclose(load(f"text:{path}").encode_texts(TEXTS), expected, atol=1e-5)


def test_a_folder_of_sentence_transformers_needs_no_prefix(made):
    first, second = load(str(made)), load(f"text:{made}")
    assert first.record.fingerprint == second.record.fingerprint
    assert first.record.kind == "text encoder (sentence-transformers) XLMRobertaModel"


def test_the_default_prompt_precedes_every_text_and_its_tokens_can_be_left_out(tmp_path):
    path = folder(tmp_path / "st", pooled={"include_prompt": False})
    write(path / "config_sentence_transformers.json", {"prompts": {"query": "a query"}, "default_prompt_name": "query"})
    prompt = len(tokenizer()("a query")["input_ids"]) - 1
    expected = [token_rows(path, f"a query{text}")[prompt:].mean(axis=0) for text in (" man", " woman")]
    np.testing.assert_allclose(load(str(path)).encode_texts([" man", " woman"]), expected, atol=1e-5)


def test_a_plain_folder_needs_a_pooling_and_its_language_head_is_left_out(tmp_path):
    path = saved(tmp_path / "plain", transformer(masked=True), tokenizer())
    error = refused(f"text:{path}", UsageError, "does not say how token embeddings become one embedding")
    assert "--model-args pooling=mean" in str(error)
    refused(f"text:{path}", UsageError, "unknown pooling 'average'", model_args={"pooling": "average"})
    mean, first = (load(f"text:{path}", model_args={"pooling": name}) for name in ("mean", "cls"))
    np.testing.assert_allclose(mean.encode_texts(TEXTS), [token_rows(path, text).mean(axis=0) for text in TEXTS], atol=1e-5)
    unit = load(f"text:{path}", model_args={"pooling": "mean", "normalize": "true"}).encode_texts(TEXTS)
    np.testing.assert_allclose(np.linalg.norm(unit, axis=1), 1.0, atol=1e-6)
    assert mean.record.fingerprint != first.record.fingerprint


def test_a_text_that_is_too_long_is_refused_and_never_cut(made):
    with pytest.raises(DataError, match="too long"):
        load(str(made)).encode_texts(["a man " * 40])


def test_a_folder_of_a_text_model_without_the_prefix_says_how_to_read_it(tmp_path):
    path = saved(tmp_path / "plain", transformer(), tokenizer())
    assert "--model text:FOLDER --model-args pooling=mean" in str(refused(path, DataError, "reads texts alone"))


def test_args_of_a_folder_that_states_everything_are_refused(made):
    refused(f"text:{made}", UsageError, "cannot be set for a sentence-transformers folder", model_args={"pooling": "cls"})


@pytest.mark.parametrize(
    ("file", "content", "kind", "says"),
    [
        ("modules.json", [{"type": "my_package.Evil", "path": ""}], UnsafeError, "foreign code"),
        ("modules.json", [{"type": "sentence_transformers.models.Transformer", "path": "../other"}], UnsafeError, "leads out"),
        ("modules.json", [{"type": "sentence_transformers.models.CLIPModel", "path": ""}], DataError, "unsupported step 'CLIPModel'"),
        ("modules.json", {"a": 1}, DataError, "cannot be read"),
        ("modules.json", [], DataError, "lists no step"),
        ("1_Pooling/config.json", {"pooling_mode": "attention"}, DataError, "unsupported pooling 'attention'"),
        ("2_Dense/config.json", {"activation_function": "os.system"}, DataError, "unsupported activation"),
        ("2_Dense/config.json", {"activation_function": "torch.nn.modules.loss.L1Loss"}, DataError, "unsupported activation"),
        ("sentence_bert_config.json", {"max_seq_length": "many"}, DataError, "invalid max_seq_length"),
        ("config_sentence_transformers.json", {"default_prompt_name": "query", "prompts": {}}, DataError, "default prompt"),
    ],
)  # fmt: skip
def test_a_folder_that_asks_for_something_else_is_refused(copy, file, content, kind, says):
    write(copy / file, content)
    refused(copy, kind, says)


def test_weights_that_do_not_fit_and_a_missing_folder_are_refused(copy):
    (copy / "2_Dense/model.safetensors").unlink()
    refused(copy, DataError)
    shutil.rmtree(copy / "2_Dense")
    refused(copy, DataError, "2_Dense of the model is missing")


def test_a_dual_encoder_is_refused_as_a_text_encoder(tmp_path):
    tower = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = hf.CLIPConfig(vision_config={**tower, "image_size": 32, "patch_size": 8}, text_config={**tower, "vocab_size": 64})
    path = saved(tmp_path / "clip", hf.CLIPModel(config), tokenizer())
    refused(f"text:{path}", DataError, "reads images as well", model_args={"pooling": "mean"})


def test_the_layout_is_part_of_the_fingerprint(copy):
    before = load(str(copy)).record.fingerprint
    modules = json.loads((copy / "modules.json").read_text())
    write(copy / "modules.json", modules[:-1])
    assert load(str(copy)).record.fingerprint != before
