"""A tokenizer is a small program from the model's author: its normaliser may multiply a text, its patterns may run for hours.

The maximum growth of a text is checked when a tokenizer is loaded; every call is limited in length and time.
"""

from __future__ import annotations

import base64
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any, NoReturn

from strictio.errors import UnsafeError
from strictio.files import read_bytes
from strictio.model_folders.configurations import MOST_BYTES, entries, read_configuration

MAX_GROWTH = 20_000
"""Maximum factor by which a normaliser may lengthen a text, by the worst case of each of its steps; NFKC alone has 18."""
GROWTH = {"NFKC": 18, "NFKD": 18, "NFD": 4, "ByteLevel": 4, "BertNormalizer": 3, "Lowercase": 2, "NFC": 1, "Nmt": 1, "StripAccents": 1}
"""Factors by which steps may lengthen a text; Strip and Prepend remove or add a few characters."""
NORMAL_GROWTH, NORMAL_MORE = 8, 1000
"""A text is rejected if normalisation makes it longer than the first number times its length plus the second."""
MAX_STEPS, MAX_WORDS, MAX_ADDED = 10_000, 100_000, 50_000
"""Maximum number of entries besides the vocabulary, characters in one of them (except a precompiled map), and added tokens."""
MAX_TEXT = 5 * 10**6
"""Maximum number of characters of a text, including the image's placeholder."""
DEADLINE_S, DEADLINE_PER_TEXT_S, USUAL_S = 10.0, 0.02, 0.1
"""Seconds for a call, additional seconds per text, and mean seconds per text once calls took the first in total."""
PARTS = ("normalizer", "pre_tokenizer", "post_processor", "decoder")
FIX = "leave this model out, or ask its author for another tokenizer"


def check_tokenizer(folder: Path) -> None:
    """Raise UnsafeError, before building it, for a folder's tokenizer that could multiply texts or never finish."""
    path = folder / "tokenizer.json"
    if not path.is_file():
        for model in sorted(folder.glob("*.model")):
            _check_growth("normalizer", [_charsmap_growth(_charsmap_of(model), model)], model)
        return
    check_content(read_configuration(path, MOST_BYTES[path.name]), path)


def check_content(content: Mapping[str, Any], path: Path) -> None:
    """Raise UnsafeError for the content of a ``tokenizer.json`` that could multiply texts; `path`: where it is from."""
    if isinstance(added := content.get("added_tokens"), list) and len(added) > MAX_ADDED:
        _refuse(f"adds {len(added):,} tokens to its vocabulary", f"{MAX_ADDED:,} is the most", path)
    for name in PARTS:
        if isinstance(part := content.get(name), dict):
            check_part(name, part, path)


def check_part(name: str, content: Mapping[str, Any], path: Path) -> None:
    """Raise UnsafeError for a part of a tokenizer that is too long or, if it changes texts, makes them far longer."""
    values = [value for _, key, value in entries(content) if key != "precompiled_charsmap"]
    longest = max((len(value) for value in values if isinstance(value, str)), default=0)
    if len(values) > MAX_STEPS or longest > MAX_WORDS:
        why = f"{len(values):,} entries, the longest of {longest:,} characters; {MAX_STEPS:,} and {MAX_WORDS:,} are the most"
        _refuse(f"has a {name} that is too long", why, path)
    if name in ("normalizer", "decoder"):
        _check_growth(name, [_growth(step, path) for step in _steps(content)], path)


def _check_growth(name: str, factors: Sequence[float], path: Path) -> None:
    product = 1.0
    for factor in factors:
        product *= max(1.0, factor)
        if product > MAX_GROWTH:
            _refuse(f"has a {name} that multiplies texts", f"together its steps can lengthen a text {product:,.0f} times or more", path)


def _steps(content: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the steps of a normaliser or decoder, including those of nested sequences."""
    inner = content.get("normalizers") or content.get("decoders")
    if not isinstance(inner, list):
        yield content
        return
    for step in inner:
        if isinstance(step, dict):
            yield from _steps(step)


def _growth(step: Mapping[str, Any], path: Path) -> float:
    kind, pattern = str(step.get("type")), step.get("pattern")
    if kind == "Replace":
        literal = pattern.get("String") if isinstance(pattern, dict) else None
        return len(str(step.get("content"))) / len(literal) if literal else 1.0 + len(str(step.get("content")))
    if kind != "Precompiled":
        return GROWTH.get(kind, 1)
    try:
        charsmap = base64.b64decode(str(step.get("precompiled_charsmap") or ""), validate=True)
    except ValueError:
        charsmap = b"\0"
    return _charsmap_growth(charsmap, path)


def _charsmap_growth(charsmap: bytes, path: Path) -> float:
    """Length of the longest text in SentencePiece's character map: texts that end with 0, after a table of known size.

    tokenizers would abort the process if the size is wrong.
    """
    if not charsmap:
        return 1.0
    table = struct.unpack("<I", charsmap[:4])[0] if len(charsmap) > 4 else len(charsmap)
    if table % 4 or 4 + table > len(charsmap):
        _refuse("has a damaged map of characters", "its table does not fit into it", path)
    return max(map(len, charsmap[4 + table :].split(b"\0")), default=1)


def _charsmap_of(path: Path) -> bytes:
    """The character map of a SentencePiece file; empty for another kind of file with that name."""
    from transformers.convert_slow_tokenizer import import_protobuf
    from transformers.tokenization_utils_base import import_protobuf_decode_error

    proto = import_protobuf().ModelProto()
    try:
        proto.ParseFromString(read_bytes(path, MOST_BYTES[".model"]))
    except import_protobuf_decode_error():
        return b""
    return bytes(proto.normalizer_spec.precompiled_charsmap)


def _refuse(what: str, why: str, path: Path) -> NoReturn:
    raise UnsafeError(f"the tokenizer {what}", where=str(path), why=why, fix=FIX)


def bounded_tokenizer(tokenizer: Any) -> Any:
    """Limit a tokenizer's calls: in time, and in how much longer they make texts."""
    cls: Any = type(tokenizer)
    tokenizer.__class__ = _bounded(cls)
    return tokenizer


class _Bounded:
    """A tokenizer with limited calls."""

    _spent_s, _read = 0.0, 0
    """Total seconds of its calls, and total number of texts."""

    def __call__(self, text: Any = None, *args: Any, **kwargs: Any) -> Any:
        texts = [entry for entry in (text if isinstance(text, list | tuple) else [text]) if isinstance(entry, str)]
        call = partial(super().__call__, text, *args, **kwargs)  # type: ignore[misc]
        seconds = DEADLINE_S + DEADLINE_PER_TEXT_S * len(texts)
        began = time.monotonic()
        result = within(seconds, lambda: self._bounded_call(texts, call))
        self._spent_s, self._read = self._spent_s + time.monotonic() - began, self._read + len(texts)
        if self._spent_s > DEADLINE_S and self._spent_s > USUAL_S * self._read:
            why = f"{self._read:,} texts took {self._spent_s:.0f} s"
            raise UnsafeError("the tokenizer takes far longer than texts need", why=why, fix=FIX)
        return result

    def decode(self, *args: Any, **kwargs: Any) -> Any:
        return within(DEADLINE_S, partial(super().decode, *args, **kwargs))  # type: ignore[misc]

    def _bounded_call(self, texts: Sequence[str], call: Callable[[], Any]) -> Any:
        """Call the tokenizer, unless its normalisation makes a text far longer."""
        normalizer: Any = getattr(getattr(self, "backend_tokenizer", None), "normalizer", None)
        for text in texts:
            if len(text) > MAX_TEXT:
                raise UnsafeError(f"the model makes a text of {len(text):,} characters", why=f"{MAX_TEXT:,} is the most", fix=FIX)
            if normalizer is not None and (length := len(normalizer.normalize_str(text))) > NORMAL_GROWTH * len(text) + NORMAL_MORE:
                why = f"it makes {length:,} characters of the {len(text):,} of {text[:80]!r}"
                raise UnsafeError("the tokenizer's normalizer multiplies texts", why=why, fix=FIX)
        return call()


@cache
def _bounded(cls: Any) -> type:
    """A subclass with limited calls, under the same name, which is part of a model's fingerprint."""
    return type(cls.__name__, (_Bounded, cls), {"__module__": cls.__module__})


def within(seconds: float, work: Callable[[], Any]) -> Any:
    """Call `work`; raises UnsafeError if it does not finish in time, or a pattern gives up.

    tokenizers releases the GIL, so that a timeout is possible; a call that timed out ends only with the process.
    """
    outcome: list[Any] = []

    def attempt() -> None:
        try:
            outcome.append((work(), None))
        except BaseException as error:  # raised below, in the calling thread
            outcome.append((None, error))

    thread = threading.Thread(target=attempt, name="tokenizer", daemon=True)
    thread.start()
    thread.join(seconds)
    if not outcome:
        raise UnsafeError("the tokenizer does not end", why=f"a text took more than {seconds:.0f} s", fix=FIX)
    result, error = outcome[0]
    if type(error).__name__ == "PanicException":  # from Rust: not an Exception
        raise UnsafeError("the tokenizer has a pattern that does not end", why=str(error)[:200], fix=FIX) from error
    if error is not None:
        raise error
    return result
