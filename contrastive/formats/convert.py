"""Converts other programs' weights to our checkpoint: OpenAI archives, open_clip and Lightning files, `CLIPModel` names.

Nothing is decided silently. Facts that shapes do not reveal are specified by the user (`ModelOverrides`), known from the file's origin, or
guessed with a note. If a fact affects numbers and is neither known nor guessable, the user must specify it.
"""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import Tensor

from contrastive.checkpoint.file import Checkpoint, load
from contrastive.formats.activation import SAME, largest_difference, looks_like_openai
from contrastive.formats.infer import CLIP_VOCABULARY, infer
from contrastive.model.clip import ModelConfig, load_portable
from contrastive.model.preprocess import Preprocess
from contrastive.model.tokenizer import END_OF_WORD, Tokenizer, clip_tokenizer
from strictio.errors import DataError, MachineError, UsageError
from strictio.files import open_file
from strictio.weights.contents import SIGLIP_FOLDER, Contents, read_json
from strictio.weights.overrides import ModelOverrides
from strictio.weights.unwrap import Weights
from strictio.weights.weight_names import SIGLIP_PROBE, from_hugging_face, without_text_prefix

MAX_MERGES_BYTES = 16 * 2**20
FOREIGN_VOCABULARY = "the folder's vocabulary does not follow from its merges, as CLIP's does"
UNSUPPORTED = {  # name prefix -> why the weights need open_clip's classes
    "visual.trunk.": "its image tower is one of timm's",
    "visual.head.": "its image tower has a head of its own",
    "visual.attn_pool.": "its image tower pools by attention",
    "text_decoder.": "it is a CoCa, which also writes text",
    "text.cls_emb": "it is a CoCa, which also writes text",
    "text.transformer.embeddings.": "its text tower is one of transformers'",
    "text.transformer.encoder.": "its text tower is one of transformers'",
    "text.text_projection.": "its text projection has a bias",
    "image_encoder.model.": "it is a MobileCLIP",
}
OPENAI = (
    "Not in the weights, known because the file has OpenAI's size buffers: quick_gelu, heads 64 wide, 1e-5 in layer norms, causal text "
    "read at its end, OpenAI's image mean and std (bicubic, short side, centre crop), CLIP's own vocabulary."
)


def convert(weights: Weights, contents: Contents, overrides: ModelOverrides) -> Checkpoint:
    """Build a checkpoint from foreign weights. Its notes list everything guessed, specified, renamed, left out or unknown.

    `weights`: the result of `strictio.weights.unwrap.unwrap` for `contents`. Untrusted. Raises `DataError` if the weights are not a CLIP
    model, incomplete or contradictory; or if activation, heads or tokenizer can be neither known nor guessed.
    """
    try:
        return _build_checkpoint(weights, contents, overrides)
    except UsageError as error:
        raise DataError(error.what, why=error.why, fix=error.fix) from error


def _build_checkpoint(weights: Weights, contents: Contents, overrides: ModelOverrides) -> Checkpoint:
    tensors, family, renamed = openai_names(weights.tensors)
    activation, reason = _activation(weights, overrides)
    config, guesses = infer(tensors, overrides, activation or "gelu")
    _check_scalars(weights, config)
    model = load_portable(config, tensors).eval()
    questions: dict[str, str] = {}
    if activation is None:
        reason = _compare(config, tensors, questions)
    tokenizer, words = _tokenizer(config, overrides, questions)
    preprocess, pixels = _preprocess(config, overrides)
    if tokenizer is None or questions:
        raise _ask(questions, weights.run)
    by = {name: "the folder's configuration" if name in contents.configured else "the user" for name in overrides.given()}
    words = [note.replace("by the user", f"by {by['tokenizer']}") for note in words] if "tokenizer" in by else words
    guesses = (OPENAI,) if weights.from_openai and not overrides.given() else (*reason, *guesses, *pixels, *words)
    foreign = [f"The file names {name}, which was not looked up." for name in contents.unknown]
    facts = [f"Stated by {by[name]}: {name} is {value}." for name, value in overrides.given().items() if name != "tokenizer"]
    notes = (*facts, *guesses, *weights.notes, *renamed, *foreign)
    return Checkpoint(model, preprocess, tokenizer, sha256=contents.sha256, format=f"{contents.kind} of a {family}", notes=notes)


def openai_names(tensors: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], str, list[str]]:
    """Return weights with OpenAI's names, their family, and what was renamed; `DataError` if only open_clip or transformers load them."""
    for name in tensors:
        if start := next((start for start in UNSUPPORTED if name.startswith(start)), None):
            why = f"{UNSUPPORTED[start]} ({name[:80]!r})"
            fix = "--model open_clip:ARCH,FILE, with the architecture's name in open_clip"
            raise DataError("the weights belong to an architecture that is not built here", why=why, fix=fix)
    if SIGLIP_PROBE in tensors:
        why = "a SigLIP's weights do not say how texts and images are read"
        raise DataError("the weights of a SigLIP are read with their folder only", why=why, fix=SIGLIP_FOLDER)
    if any(name.startswith(("vision_model.", "text_model.")) for name in tensors):
        return from_hugging_face(tensors), "Hugging Face CLIPModel", ["Renamed from Hugging Face's names to OpenAI's."]
    if any(name.startswith("text.") for name in tensors):
        return without_text_prefix(tensors), "CLIP", ["Taken off the names of the text tower: 'text'."]
    return dict(tensors), "CLIP", []


def _activation(weights: Weights, overrides: ModelOverrides) -> tuple[str | None, list[str]]:
    if overrides.activation is not None:
        return overrides.activation, []
    if weights.from_openai:
        return "quick_gelu", ["Not in the weights, known because the file has OpenAI's size buffers: the activation is quick_gelu."]
    if looks_like_openai(weights):
        return "quick_gelu", ["Guessed: quick_gelu, because matrices in half precision are OpenAI's habit (--model-args activation=gelu)."]
    return None, []


def _check_scalars(weights: Weights, config: ModelConfig) -> None:
    from_shapes = {
        "input_resolution": config.vision.image_size,
        "context_length": config.text.context,
        "vocab_size": config.text.vocab_size,
    }
    for name, value in weights.scalars.items():
        if value != from_shapes[name]:
            why = f"it says {name} {value}, its weights' shapes say {from_shapes[name]}"
            raise DataError("the file contradicts itself", why=why, fix="fetch the file again")


def _compare(config: ModelConfig, tensors: Mapping[str, Tensor], questions: dict[str, str]) -> list[str]:
    difference = largest_difference(config, tensors)
    if difference > SAME:
        how = f"a cosine changes by {difference:.1g}"
        questions["activation=gelu"] = f"with quick_gelu (OpenAI, *-quickgelu) for gelu (open_clip's default) {how}"
    return [f"Guessed: the activation is gelu; with quick_gelu no cosine changes by more than {SAME:g}."]


def _tokenizer(config: ModelConfig, overrides: ModelOverrides, questions: dict[str, str]) -> tuple[Tokenizer | None, list[str]]:
    text = config.text
    if overrides.tokenizer not in (None, "clip"):
        tokenizer = read_tokenizer(Path(str(overrides.tokenizer)), text.vocab_size, text.context)
        return tokenizer, [f"Stated by the user: the tokenizer (sha256 {tokenizer.sha256[:12]})."]
    if text.vocab_size != CLIP_VOCABULARY:
        questions["tokenizer=merges.txt"] = f"the vocabulary has {text.vocab_size:,} entries, CLIP's has {CLIP_VOCABULARY:,}"
        return None, []
    guess = "Guessed: the vocabulary is CLIP's own, because it has as many entries (--model-args tokenizer=merges.txt)."
    try:
        return clip_tokenizer(text.context), [] if overrides.tokenizer else [guess]
    except UsageError as error:  # not the file's fault
        raise MachineError(error.what, why=error.why, fix=error.fix) from error


def read_tokenizer(path: Path, vocab_size: int, context: int) -> Tokenizer:
    """Read a tokenizer from a list of merges (``merges.txt``, plain or gzip), transformers' ``tokenizer.json``, or our checkpoint.

    Raises `DataError` if it cannot be read, or does not fit.
    """
    try:
        with open_file(path) as file:
            start = file.read(2)
        if start == b"PK":
            loaded = load(path).tokenizer
            if not isinstance(loaded, Tokenizer):
                raise DataError("the tokenizer is not one of CLIP's kind", where=str(path))
            tokenizer = replace(loaded, context=context)
        elif path.suffix == ".json":
            tokenizer = _serialized(read_json(path), context)
        else:
            with open_file(path) as file, gzip.GzipFile(fileobj=file) if start == b"\x1f\x8b" else nullcontext(file) as unpacked:
                lines = unpacked.read(MAX_MERGES_BYTES).decode("utf-8").splitlines()
            merges = [line for line in lines if line and not line.startswith("#version") and not line.startswith('"bpe_simple_vocab')]
            tokenizer = Tokenizer(tuple(merges[: max(vocab_size - 514, 0)]), context)
    except (OSError, UnicodeDecodeError, EOFError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise DataError("the tokenizer cannot be read", where=str(path), why=why, fix="--model-args tokenizer=FILE") from error
    if tokenizer.vocab_size != vocab_size:
        why = f"it has {tokenizer.vocab_size:,} entries, the model {vocab_size:,}"
        raise DataError("the tokenizer does not fit the model", where=str(path), why=why, fix="--model-args tokenizer=FILE of this model")
    return tokenizer


def _serialized(content: Mapping[str, Any], context: int) -> Tokenizer:
    """Read the tokenizer in transformers' ``tokenizer.json``; `DataError` if it is not CLIP-like."""
    try:
        model = content["model"]
        pairs = [tuple(merge.split(" ")) if isinstance(merge, str) else tuple(merge) for merge in model["merges"]]
        added = {token["content"]: token["id"] for token in content["added_tokens"]}
        tokenizer = Tokenizer(tuple(f"{left} {right}" for left, right in pairs), context)
        same = {**model["vocab"], **added} == tokenizer.ids and model["end_of_word_suffix"] == END_OF_WORD
    except (LookupError, TypeError, ValueError, AttributeError, UsageError) as error:
        raise DataError("tokenizer.json is not a tokenizer of CLIP's kind", why=f"{type(error).__name__}: {str(error)[:200]}") from error
    if not same:
        raise DataError(FOREIGN_VOCABULARY, where="tokenizer.json")
    return tokenizer


def _preprocess(config: ModelConfig, overrides: ModelOverrides) -> tuple[Preprocess, list[str]]:
    names = ("mean", "std", "interpolation", "resize_mode")
    stated = {name: value for name, value in overrides.given().items() if name in names}
    preprocess = replace(Preprocess(config.vision.image_size), **stated)
    guessed = [name for name in names if name not in stated]
    shown = ", ".join(f"{name}={','.join(map(str, v)) if isinstance(v := getattr(preprocess, name), tuple) else v}" for name in guessed)
    return preprocess, [f"Guessed: images are prepared as OpenAI does, {shown} (--model-args to state it)."] if guessed else []


def _ask(questions: Mapping[str, str], run: str | None) -> DataError:
    hints = [f"its trainer called the run {run!r}"] if run else []
    fix = f"state it, for example --model-args '{' '.join(questions)}'; or name the architecture: --model open_clip:ARCH,FILE"
    return DataError("the weights do not show what every number depends on", why="; ".join([*questions.values(), *hints]), fix=fix)
