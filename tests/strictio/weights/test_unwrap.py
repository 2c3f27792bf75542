"""Trainers' tables and wrappers' prefixes are taken off, by name, and nothing is dropped without a word."""

import pytest
import torch

from strictio.errors import DataError, VlmAuditError
from strictio.weights.unwrap import tables, unwrap

SCALE = torch.tensor(2.0)
WEIGHTS = {"visual.proj": torch.zeros(2, 3), "ln_final.bias": torch.ones(4), "logit_scale": SCALE}


def prefixed(prefix):
    return {prefix + name: tensor for name, tensor in WEIGHTS.items()}


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (WEIGHTS, []),
        ({"state_dict": WEIGHTS, "epoch": 3}, ["in 'state_dict'"]),
        ({"model": WEIGHTS, "optimizer": {"state": {0: torch.ones(2)}}}, ["in 'model'"]),
        ({"module": {"state_dict": WEIGHTS}}, ["in 'module.state_dict'"]),
        ({"model_state_dict": prefixed("module.")}, ["in 'model_state_dict'", "3 weights: 'module'"]),
        (prefixed("_orig_mod.module."), ["3 weights: '_orig_mod'", "3 weights: 'module'"]),
        (prefixed("model.net."), ["3 weights: 'model'", "3 weights: 'net'"]),
        (prefixed("clip."), ["3 weights: 'clip'"]),
        ({name.replace("visual.", "visual._orig_mod."): tensor for name, tensor in WEIGHTS.items()}, ["1 weights: '_orig_mod'"]),
        ({"visual": {"proj": WEIGHTS["visual.proj"]}, "ln_final": {"bias": WEIGHTS["ln_final.bias"]}, "logit_scale": SCALE}, []),
    ],
)  # fmt: skip
def test_what_is_around_the_weights_is_taken_off_and_said(data, said):
    weights = unwrap(data)
    assert set(weights.tensors) == set(WEIGHTS)
    assert all(weights.tensors[name] is tensor for name, tensor in WEIGHTS.items())
    assert len(weights.notes) == len(said)
    assert all(words in note for words, note in zip(said, weights.notes, strict=True))


def test_a_prefix_that_not_every_name_has_stays():
    assert set(unwrap({**prefixed("net."), "loss.weight": torch.ones(1)}).tensors) == {*prefixed("net."), "loss.weight"}
    assert set(unwrap({"visual.proj": torch.ones(1), "visual.bias": torch.ones(1)}).tensors) == {"visual.proj", "visual.bias"}


def test_what_follows_from_sizes_is_left_out_and_openais_buffers_are_kept_apart():
    sizes = {"input_resolution": torch.tensor(224), "context_length": torch.tensor(77), "vocab_size": torch.tensor(49_408)}
    masks = {f"transformer.resblocks.{i}.attn_mask": torch.zeros(3, 3) for i in range(2)}
    positions = {"text_model.embeddings.position_ids": torch.arange(77)}
    weights = unwrap({**WEIGHTS, **sizes, **masks, **positions})
    assert weights.scalars == {"input_resolution": 224, "context_length": 77, "vocab_size": 49_408}
    assert weights.from_openai
    assert set(weights.tensors) == set(WEIGHTS)
    assert weights.notes == ("Left out because it follows from the sizes: attn_mask (2), context_length (1), input_resolution (1), "
                             "position_ids (1), vocab_size (1).",)  # fmt: skip
    assert not unwrap({**WEIGHTS, "vocab_size": torch.tensor(49_408)}).from_openai


def test_one_of_several_tables_is_chosen_by_name_and_the_name_of_the_run_is_kept():
    assert unwrap({"state_dict": WEIGHTS, "name": "model_ViT-B-32-lr_1"}).run == "model_ViT-B-32-lr_1"
    assert unwrap({"state_dict": WEIGHTS, "name": ["x"] * 3}).run is None
    data = {"state_dict": WEIGHTS, "state_dict_ema": {"w": torch.ones(1)}}
    assert any("the file also has state_dict_ema" in note for note in unwrap(data).notes)
    assert set(unwrap(data, "state_dict_ema").tensors) == {"w"}
    with pytest.raises(DataError, match="no table 'ema'") as caught:
        unwrap(data, "ema")
    assert "state_dict, state_dict_ema" in caught.value.why


def test_names_of_a_salvaged_file_become_tables_again():
    flat = {**prefixed("state_dict."), "optimizer.state.0.exp_avg": torch.ones(2), "epoch": torch.ones(1)}
    nested = tables(flat)
    assert set(nested) == {"state_dict", "optimizer.state.0.exp_avg", "epoch"}
    assert set(unwrap(nested).tensors) == set(WEIGHTS)
    assert tables(WEIGHTS) == WEIGHTS


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ([torch.ones(2)], "no table of tensors"), (torch.ones(2), "no table of tensors"),
        ({"state_dict": {"epoch": 3}}, "no tensors in tables"), ({}, "no tensors in tables"),
        ({"a._flat_param": torch.ones(3)}, "flattened by FSDP"),
        ({"module.visual.proj": torch.ones(3), "visual.proj": torch.ones(3)}, "the same name"),
    ],
)  # fmt: skip
def test_what_holds_no_weights_is_refused(data, said):
    with pytest.raises(DataError, match=said):
        unwrap(data)


def test_a_table_that_holds_itself_is_no_endless_loop():
    table = {}
    table["model"] = table
    with pytest.raises(VlmAuditError):
        unwrap(table)
