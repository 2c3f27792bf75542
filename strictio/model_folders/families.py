"""Which settings of a `config.json` the installed transformers knows: those that the family of its `model_type` declares or reads.

transformers makes an attribute of whatever else a configuration says, and its next release may follow it. Therefore a setting that no code
of its family reads is left out, which changes no number; one that sounds like code, a hub or a file is refused
(`strictio.model_folders.configurations`). Numbers, false and empty values are accepted under any name: they name nothing.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from strictio.files import read_text

COMMON = frozenset([
    # What every configuration had or has; transformers' own code reads a few of them for every family.
    "model_type", "transformers_version", "architectures", "name_or_path", "_name_or_path", "_commit_hash", "dtype", "torch_dtype",
    "tokenizer_class", "prefix", "id2label", "label2id", "num_labels", "problem_type", "finetuning_task", "task_specific_params",
    "return_dict", "output_hidden_states", "output_attentions", "use_cache", "torchscript", "use_bfloat16", "tf_legacy_loss",
    "pruned_heads", "gradient_checkpointing", "chunk_size_feed_forward", "is_encoder_decoder", "is_decoder", "add_cross_attention",
    "cross_attention_hidden_size", "tie_encoder_decoder", "tie_word_embeddings", "tie_last_hidden_states", "bos_token_id", "eos_token_id",
    "pad_token_id", "sep_token_id", "cls_token_id", "mask_token_id", "unk_token_id", "decoder_start_token_id", "image_size", "vocab_size",
    "hidden_size", "hidden_act", "num_attention_heads", "num_key_value_heads", "num_hidden_layers", "head_dim", "max_position_embeddings",
    "is_causal", "sliding_window", "attention_chunk_size", "layer_types", "per_layer_config", "classifier_dropout", "hidden_dropout",
    "rope_theta", "rope_scaling", "rope_parameters", "partial_rotary_factor", "quantization_config", "compression_config",
    # What timm writes.
    "global_pool",
    # How to generate, in configurations of before there was a generation_config.json.
    "bad_words_ids", "begin_suppress_tokens", "diversity_penalty", "do_sample", "early_stopping", "encoder_no_repeat_ngram_size",
    "exponential_decay_length_penalty", "forced_bos_token_id", "forced_eos_token_id", "length_penalty", "max_length", "max_new_tokens",
    "min_length", "no_repeat_ngram_size", "num_beam_groups", "num_beams", "num_return_sequences", "output_scores", "remove_invalid_values",
    "repetition_penalty", "return_dict_in_generate", "suppress_tokens", "temperature", "top_k", "top_p", "typical_p",
])  # fmt: skip
"""Settings that are accepted of every family."""
MOST_SOURCE = 2**23
"""Bytes of a module of transformers; the longest has half a megabyte."""
_READ = re.compile(r"""\b(?:config\w*|self)\.(\w+)|["'](\w+)["']""")
"""How Python code names a setting: as an attribute, or in quotes."""


def unknown_settings(content: Mapping[str, Any]) -> Iterator[tuple[str, str, Any]]:
    """Yield place, key and value of every setting that the family does not know, also those of its parts (`text_config`).

    Nothing is unknown in a configuration of no known family: no model is built from it.
    """
    yield from _unknown(content, _family_of(content), "")


def known_settings(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return a configuration without its unknown settings."""
    return _known(content, _family_of(content))


def _family_of(content: Mapping[str, Any]) -> Any:
    """The class of a whole configuration; timm writes no `model_type`."""
    from transformers.utils.generic import is_timm_config_dict

    timm = "model_type" not in content and is_timm_config_dict(content)
    return _family("timm_wrapper" if timm else content.get("model_type"))


def _unknown(content: Mapping[str, Any], family: Any, prefix: str) -> Iterator[tuple[str, str, Any]]:
    for key, value in content.items() if family is not None else ():
        if not _accepted(family, key, value):
            yield prefix, key, value
        elif isinstance(value, dict):
            yield from _unknown(value, _part(family, key, value), f"{prefix}{key}.")


def _known(content: Mapping[str, Any], family: Any) -> dict[str, Any]:
    if family is None:
        return dict(content)
    known = {key: value for key, value in content.items() if _accepted(family, key, value)}
    return {key: _known(value, _part(family, key, value)) if isinstance(value, dict) else value for key, value in known.items()}


def _accepted(family: Any, key: str, value: object) -> bool:
    return key in _names(family) or _is_number(value)


def _is_number(value: object) -> bool:
    """Tell whether a value is a number, false or empty, or holds nothing else (`read_configuration` bounds its depth)."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    if inner is not None:
        return all(_is_number(child) for child in inner)
    return value is None or value is False or value == "" or type(value) in (int, float)


def _family(kind: object) -> Any:
    """The class of the configurations of a `model_type`; None for an unknown one."""
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    return CONFIG_MAPPING[kind] if isinstance(kind, str) and kind in CONFIG_MAPPING else None


def _part(family: Any, key: str, content: Mapping[str, Any]) -> Any:
    """The class of a table in a configuration, also under its older name (`text_config_dict`); None if it is not a configuration."""
    from transformers import PreTrainedConfig

    key = key.removesuffix("_dict")
    part = family.sub_configs.get(key)
    if part is not None and issubclass(part, PreTrainedConfig):
        return part
    usual = getattr(getattr(family, "sub_configs_defaults", {}).get(key), "model_type", None)
    return _family(content.get("model_type", usual))


@cache
def _names(family: Any) -> frozenset[str]:
    """The settings that the code of a family declares or reads, without those that every configuration of this release declares."""
    from transformers import PreTrainedConfig

    own = [cls for cls in family.__mro__ if cls.__module__.startswith("transformers.models.")]
    declared = {name for cls in own for name in inspect.signature(cls).parameters}
    sources = [path for folder in {Path(inspect.getfile(cls)).parent for cls in own} for path in sorted(folder.glob("*.py"))]
    declared -= {*inspect.signature(PreTrainedConfig).parameters}
    return COMMON.union(declared, family.attribute_map, *map(_names_in, sources))


@cache
def _names_in(path: Path) -> frozenset[str]:
    return frozenset(name for found in _READ.finditer(read_text(path, MOST_SOURCE)) for name in found.groups() if name)
