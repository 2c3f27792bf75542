"""A tokenizer is a small program by whoever made the model: its normaliser may multiply a text, its patterns may try for hours.

What the parts of a tokenizer could make of a text is bounded when it is loaded; every call is bounded in length and time.
"""

from __future__ import annotations

import base64
import json
import struct
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

from audit.errors import UnsafeError
from audit.models.folder.configurations import entries

MAX_GROWTH = 20_000
"""Times that a normaliser may lengthen a text, by the worst that each of its steps does; NFKC alone can 18 times."""
GROWTH = {"NFKC": 18, "NFKD": 18, "NFD": 4, "ByteLevel": 4, "BertNormalizer": 3, "Lowercase": 2, "NFC": 1, "Nmt": 1, "StripAccents": 1}
"""Times that a step may lengthen a text; Strip and Prepend add or take a few characters."""
NORMAL_GROWTH, NORMAL_MORE = 8, 1000
"""A text that is longer than its characters times the first, plus the second, after normalisation is refused."""
MAX_STEPS, MAX_WORDS = 10_000, 100_000
"""Entries of what surrounds the vocabulary, and characters of one of them; a precompiled map apart."""
DEADLINE_S, DEADLINE_PER_TEXT_S = 10.0, 0.02
FIX = "leave this model out, or ask its author for another tokenizer"


def bounded_tokenizer(tokenizer: Any, folder: Path) -> Any:
    """Return a tokenizer whose calls end: soon, and with a text that is not far longer than it was; UnsafeError if it could not."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    for name in ("normalizer", "pre_tokenizer", "post_processor", "decoder"):
        part = getattr(backend, name, None)
        if part is not None:
            _check_part(name, json.loads(part.__getstate__()), folder)
    for path in sorted(folder.glob("*.model")) if backend is None else ():
        _check_growth("normalizer", [_charsmap_growth(_charsmap_of(path))], folder)
    cls: Any = type(tokenizer)
    tokenizer.__class__ = _bounded(cls)
    return tokenizer


def _check_part(name: str, content: Mapping[str, Any], folder: Path) -> None:
    values = [value for _, key, value in entries(content) if key != "precompiled_charsmap"]
    longest = max((len(value) for value in values if isinstance(value, str)), default=0)
    if len(values) > MAX_STEPS or longest > MAX_WORDS:
        why = f"{len(values):,} entries, the longest of {longest:,} characters; {MAX_STEPS:,} and {MAX_WORDS:,} are the most"
        _refuse(f"has a {name} that is too long", why, folder)
    if name in ("normalizer", "decoder"):
        _check_growth(name, [_growth(step) for step in _steps(content)], folder)


def _check_growth(name: str, factors: Sequence[float], folder: Path) -> None:
    product = 1.0
    for factor in factors:
        product *= max(1.0, factor)
        if product > MAX_GROWTH:
            _refuse(f"has a {name} that multiplies texts", f"together its steps can lengthen a text {product:,.0f} times or more", folder)


def _steps(content: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the steps of a normaliser or decoder, those of sequences in sequences too."""
    inner = content.get("normalizers") or content.get("decoders")
    if not isinstance(inner, list):
        yield content
        return
    for step in inner:
        yield from _steps(step)


def _growth(step: Mapping[str, Any]) -> float:
    kind = str(step.get("type"))
    if kind == "Replace":
        literal = (step.get("pattern") or {}).get("String")
        return len(str(step.get("content"))) / len(literal) if literal else 1.0 + len(str(step.get("content")))
    if kind == "Precompiled":
        return _charsmap_growth(base64.b64decode(step.get("precompiled_charsmap") or b""))
    return GROWTH.get(kind, 1)


def _charsmap_growth(charsmap: bytes) -> float:
    """Return the length of the longest text in SentencePiece's map of characters: texts that end in 0, after a table of known size."""
    if len(charsmap) < 4:
        return 1.0
    (table,) = struct.unpack("<I", charsmap[:4])
    return max(map(len, charsmap[4 + table :].split(b"\0")), default=1)


def _charsmap_of(path: Path) -> bytes:
    from transformers.convert_slow_tokenizer import import_protobuf

    proto = import_protobuf().ModelProto()
    proto.ParseFromString(path.read_bytes())
    return bytes(proto.normalizer_spec.precompiled_charsmap)


def _refuse(what: str, why: str, folder: Path) -> None:
    raise UnsafeError(f"the tokenizer {what}", where=str(folder), why=why, fix=FIX)


class _Bounded:
    """A tokenizer, its calls bounded."""

    def __call__(self, text: Any = None, *args: Any, **kwargs: Any) -> Any:
        texts = [each for each in (text if isinstance(text, list | tuple) else [text]) if isinstance(each, str)]
        call = partial(super().__call__, text, *args, **kwargs)  # type: ignore[misc]
        seconds = DEADLINE_S + DEADLINE_PER_TEXT_S * len(texts)
        return _within(seconds, lambda: self._bounded_call(texts, call))

    def _bounded_call(self, texts: Sequence[str], call: Callable[[], Any]) -> Any:
        """Call the tokenizer, unless its normalisation makes a text far longer."""
        normalizer: Any = getattr(getattr(self, "backend_tokenizer", None), "normalizer", None)
        for text in texts if normalizer is not None else ():
            if (length := len(normalizer.normalize_str(text))) > NORMAL_GROWTH * len(text) + NORMAL_MORE:
                why = f"it makes {length:,} characters of the {len(text):,} of {text[:80]!r}"
                raise UnsafeError("the tokenizer's normalizer multiplies texts", why=why, fix=FIX)
        return call()


@cache
def _bounded(cls: Any) -> type:
    """Return a class with its calls bounded, under its own name: it is part of a model's fingerprint."""
    return type(cls.__name__, (_Bounded, cls), {"__module__": cls.__module__})


def _within(seconds: float, work: Callable[[], Any]) -> Any:
    """Return what `work` returns; UnsafeError if it does not end in time, or a pattern gives up.

    tokenizers lets other threads run while it works, so that it can be waited for; what is not waited for ends with the process.
    """
    outcome: list[Any] = []

    def attempt() -> None:
        try:
            outcome.append((work(), None))
        except BaseException as error:  # raised below, in the thread that called
            outcome.append((None, error))

    thread = threading.Thread(target=attempt, name="tokenizer", daemon=True)
    thread.start()
    thread.join(seconds)
    if not outcome:
        raise UnsafeError("the tokenizer does not end", why=f"a text took more than {seconds:.0f} s", fix=FIX)
    result, error = outcome[0]
    if type(error).__name__ == "PanicException":  # of Rust: no Exception
        raise UnsafeError("the tokenizer has a pattern that does not end", why=str(error)[:200], fix=FIX) from error
    if error is not None:
        raise error
    return result
