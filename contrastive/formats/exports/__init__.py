"""Export formats, one module each, with ``check``, ``write`` (checkpoint -> folder), ``reader`` (folder -> features) and ``ids_of`` (folder
-> the target's tokenizer, None if the export has none).

This file has the code that they share.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from torch import Tensor

from contrastive.model.pieces import AnyTokenizer
from strictio.errors import UsageError, VlmAuditError
from strictio.files import write_text

Features = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]  # ``features(pixels, ids)``: image and text features, not normalised


Ids = Callable[[str], list[int]]
"""The target's tokenizer: a text's ids, without start and end."""

TEXTS = (
    "a photo of a woman", "Two  doctors' hats & 13 DOGS!", "it's na\u00efve, \u6771\u4eac \U0001f642", "a", "don't!?",
    "\"A 'quoted' sign\"", "5'6\" tall, rock'n'roll", "''", "AT&T & co; &nosuch; 50% <b>", "tab\there\r\nnew",
)  # fmt: skip
"""Texts whose ids must be the checkpoint's own in every target."""
HOSTILE = {
    "HTML entities": ("R&amp;B &quot;x&quot;", "it&#39;s &lt;b&gt;", "&amp;amp;"),
    "curly quotes": ("\u201ccurly\u201d \u2018quotes\u2019 it\u2019s",),
    "accents in characters of their own": ("cafe\u0301",),
    "ligatures or full-width letters": ("\ufb01ne", "\uff26ull"),
    "control characters": ("a\x1fb\x1cc", "\x00a", "x\x85y"),
    "<|endoftext|> in them": ("x <|endoftext|> y",),
}
"""Kinds of texts that targets read in ways of their own."""


def compare_ids(own: AnyTokenizer, ids_of: Ids) -> tuple[str, ...]:
    """Return the kinds of `HOSTILE` texts that get other ids; raises `VlmAuditError` if one of `TEXTS` does."""
    for text in TEXTS:
        if ids_of(text) != own.encode(text):
            raise VlmAuditError("the exported tokenizer gives other ids, so the export was removed", where=repr(text))
    return tuple(kind for kind, texts in HOSTILE.items() if any(ids_of(text) != own.encode(text) for text in texts))


def refuse(what: str, why: str) -> NoReturn:
    """Raise an error: the target program does not support the model."""
    raise UsageError(what, why=why, fix="--to safetensors keeps every model; the audit reads ckpt.pt itself")


def write_json(path: Path, content: object) -> None:
    """Write indented JSON."""
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")
