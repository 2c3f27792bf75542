"""Tiny encoders of text alone: folders in the layout of sentence-transformers, written by hand, with random weights."""

import json
from pathlib import Path

import torch
import transformers as hf
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from tests.support.model_folders import saved

SPECIAL = ("<s>", "<pad>", "</s>", "<unk>")
OLD = "models"
PACKAGES = {
    "Transformer": "base.modules.transformer", "Pooling": "sentence_transformer.modules.pooling", "Dense": "base.modules.dense",
    "Normalize": "base.modules.normalize",
}  # fmt: skip
"""Step -> its package in sentence-transformers 6."""
TEXTS = ("a photo of a cook", "a man", "ein Mann and a woman", "the house of the dog doctor")


def tokenizer():
    """Return a tokenizer that splits unknown words into characters."""
    characters = "".join(sorted(set("abcdefghijklmnopqrstuvwxyzM'")))
    pieces = [*SPECIAL, *characters, *(f"##{character}" for character in characters)]
    backend = Tokenizer(models.WordPiece({piece: number for number, piece in enumerate(pieces)}, unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    backend.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)])
    tokens = dict(zip(("bos_token", "pad_token", "eos_token", "unk_token"), SPECIAL, strict=True))
    return hf.PreTrainedTokenizerFast(tokenizer_object=backend, cls_token="<s>", sep_token="</s>", model_max_length=80, **tokens)


def transformer(family="xlm-roberta", masked=False):
    """Return a transformer with random weights, as a masked language model with its head if `masked`."""
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24}
    ids = {"vocab_size": 64, "pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2, "max_position_embeddings": 90}
    config = {"xlm-roberta": hf.XLMRobertaConfig, "bert": hf.BertConfig, "mpnet": hf.MPNetConfig, "llama": hf.LlamaConfig}[family](
        **sizes, **ids
    )
    made = hf.AutoModelForMaskedLM.from_config(config) if masked else hf.AutoModel.from_config(config)
    with torch.no_grad():
        for weight in made.parameters():
            if weight.ndim > 1:
                weight.normal_(0, 0.3)
    return made.eval()


def folder(path: Path, *, pooling=("mean",), dense=0, normalize=False, family="xlm-roberta", old=False, **settings) -> Path:
    """Save an encoder in the layout of sentence-transformers; `old` as its releases before 6 wrote it."""
    saved(path, transformer(family), tokenizer())
    key = {
        "cls": "cls_token",
        "lasttoken": "lasttoken",
        "weightedmean": "weightedmean_tokens",
        "mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    }
    new = {"embedding_dimension": 16, "pooling_mode": list(pooling)}
    legacy = {"word_embedding_dimension": 16, **{f"pooling_mode_{key.get(name, f'{name}_tokens')}": True for name in pooling}}
    modules = [("Transformer", ""), ("Pooling", "1_Pooling")]
    write(path / "1_Pooling/config.json", {**(legacy if old else new), **settings.pop("pooled", {})})
    if dense:
        width = 16 * len(pooling)
        modules.append(("Dense", "2_Dense"))
        stated = {"in_features": width, "out_features": dense, "bias": True, "activation_function": "torch.nn.modules.activation.Tanh"}
        write(path / "2_Dense/config.json", stated)
        generator = torch.Generator().manual_seed(1)
        weights = {"linear.weight": torch.randn(dense, width, generator=generator), "linear.bias": torch.randn(dense, generator=generator)}
        save_file(weights, path / "2_Dense/model.safetensors")
    if normalize:
        modules.append(("Normalize", f"{len(modules)}_Normalize"))
    listed = [
        {"idx": i, "name": str(i), "path": place, "type": f"sentence_transformers.{OLD if old else PACKAGES[name]}.{name}"}
        for i, (name, place) in enumerate(modules)
    ]
    write(path / "modules.json", listed)
    write(path / "sentence_bert_config.json", {"max_seq_length": 60, **settings})
    return path


def write(path: Path, content) -> Path:
    """Write JSON, and the folder for it."""
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_text(json.dumps(content))
    return path
