"""Tokenizers of Hugging Face's ``tokenizers``, such as those of SigLIP and SigLIP 2: stored whole, as the text of a ``tokenizer.json``.

Texts are padded to the whole context, because such models attend to the padding and read the last position.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import StrictStr
from torch import Tensor

from contrastive.model.architecture import Size, Stored
from contrastive.model.tokenizer import Tokenizer
from strictio.errors import DataError, UsageError
from strictio.model_folders.tokenizers import LockedTokenizer, check_building, check_content
from strictio.schema import record, sha256_of_json


@record
class PieceTokenizer(Stored):
    """Converts texts to ids, padded to the context."""

    PLACE = "tokenizer"
    content: StrictStr
    """The text of a ``tokenizer.json``, without padding and truncation."""
    pad: StrictStr
    """The token that pads."""
    vocab_size: Size
    """Number of rows of the model's table of tokens, at least that of the vocabulary."""
    context: Size
    padding_side: Literal["left", "right"] = "right"
    kind: Literal["hugging-face"] = "hugging-face"

    @property
    def eot(self) -> None:
        """None: texts do not end at an id, but at the context."""

    def encode(self, text: str) -> list[int]:
        """Return the ids of `text` without special tokens."""
        return list(self._backend.encode(text, add_special_tokens=False).ids)

    def length(self, text: str) -> int:
        """Return the number of tokens of `text`, with special tokens."""
        return len(self._backend.encode(text).ids)

    def decode(self, ids: Iterable[int]) -> str:
        """Return a text with these ids, without special tokens."""
        return str(self._backend.decode(list(ids), skip_special_tokens=True)).strip()

    def __call__(self, texts: Sequence[str], truncate: bool = False) -> Tensor:
        """Return int64[n, context]. `ValueError` for a text that is too long, unless `truncate` (special tokens at its end stay)."""
        rows = [row.ids for row in self._backend.encode_batch(list(texts))]
        for text, row in zip(texts, rows, strict=True):
            if len(row) > self.context and not truncate:
                raise ValueError(f"a text of {len(row)} tokens is longer than the context of {self.context}: {text[:60]!r}")
        rows = [row.ids for row in self._fitting.encode_batch(list(texts))]
        return torch.tensor(rows, dtype=torch.long).reshape(len(texts), self.context)

    @cached_property
    def sha256(self) -> str:
        """Hash of everything that affects the ids."""
        return sha256_of_json(self.to_dict())

    def parsed(self) -> Any:
        """Return a new tokenizer of the package tokenizers. Raises `DataError` if it cannot be built or does not fit."""
        from tokenizers import Tokenizer as Backend

        try:
            check_content(json.loads(self.content), Path("tokenizer.json"))
            check_building(self.content)
            backend = LockedTokenizer(Backend.from_str(self.content))
        except (ValueError, RecursionError, AttributeError) as error:
            raise DataError("the tokenizer cannot be read", why=str(error)[:200]) from error
        except Exception as error:  # tokenizers raises plain exceptions for content that it does not understand
            if type(error) is not Exception:
                raise
            raise DataError("the tokenizer cannot be read", why=str(error)[:200]) from error
        largest = max(backend.get_vocab().values(), default=0)
        if largest >= self.vocab_size or backend.token_to_id(self.pad) is None:
            why = f"its largest id is {largest:,}, the model has {self.vocab_size:,}; {self.pad[:40]!r} is to pad"
            raise DataError("the tokenizer does not fit the model", why=why)
        return backend

    @cached_property
    def _backend(self) -> Any:
        return self.parsed()

    @cached_property
    def _fitting(self) -> Any:
        backend = self.parsed()
        backend.enable_truncation(self.context)
        padding = {"length": self.context, "pad_id": backend.token_to_id(self.pad), "pad_token": self.pad}
        backend.enable_padding(direction=self.padding_side, **padding)
        return backend


AnyTokenizer = Tokenizer | PieceTokenizer


def tokenizer_from_dict(table: dict[str, Any]) -> AnyTokenizer:
    """Read a stored tokenizer strictly; raises `UsageError`."""
    kinds: dict[Any, type[Tokenizer] | type[PieceTokenizer]] = {"clip-bpe": Tokenizer, "hugging-face": PieceTokenizer}
    kind = table.get("kind", "clip-bpe") if isinstance(table, dict) else None
    if not isinstance(kind, str) or kind not in kinds:
        raise UsageError("tokenizer.kind must be clip-bpe or hugging-face")
    return kinds[kind].from_dict(table)
