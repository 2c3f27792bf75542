"""A tokenizer is a small program from the model's author: its normaliser may multiply a text, its patterns may run for hours.

The maximum growth of a text is checked when a tokenizer is loaded. Tokenizers of the package tokenizers are built for a trial, and read
texts, in a locked child, where every call is limited in length, memory and time. The few that transformers writes in Python are limited in
length and, by a thread, in time.
"""

from __future__ import annotations

import base64
import json
import os
import struct
import threading
import time
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any, NoReturn

from strictio.child.process import Child, EndedError, TooMuchMemoryError, shared_child
from strictio.child.serve import read_shared, write_shared
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
MAX_MEMORY = 4 * 2**30
"""Bytes that a tokenizer may take."""
_CHILD = ("strictio.model_folders.tokenizer_child:reading_texts", ("tokenizers",))
PARTS = ("normalizer", "pre_tokenizer", "post_processor", "decoder")
FIX = "leave this model out, or ask its author for another tokenizer"


def check_tokenizer(folder: Path) -> None:
    """Raise UnsafeError, before building it, for a folder's tokenizer that could multiply texts or never finish."""
    path = folder / "tokenizer.json"
    if not path.is_file():
        for model in sorted(folder.glob("*.model")):
            _check_growth("normalizer", [_charsmap_growth(_charsmap_of(model), model)], model)
        return
    content = read_configuration(path, MOST_BYTES[path.name])
    check_content(content, path)
    check_building(json.dumps(content))


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
    """Let a tokenizer of transformers read texts in a locked child; limit one that has no backend of the package tokenizers in time."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is not None:
        tokenizer._tokenizer = LockedTokenizer(backend)
    else:
        cls: Any = type(tokenizer)
        tokenizer.__class__ = _bounded(cls)
    return tokenizer


def check_building(content: str) -> None:
    """Raise UnsafeError for a ``tokenizer.json`` that the package tokenizers does not survive; what it refuses it refuses later, too."""
    child = shared_child(*_CHILD, MAX_MEMORY)
    with child.turn:
        _ask(child, "build", content.encode(), DEADLINE_S)


def _ask(child: Child, what: str, content: bytes, seconds: float, read: Callable[[Mapping[str, Any]], Any] = dict) -> Any:
    """Ask a child for something, and return what is read from its answer; UnsafeError if it does not survive that."""
    much = UnsafeError("the tokenizer takes too much memory", why=f"{MAX_MEMORY / 2**30:g} GiB is the most", fix=FIX)
    try:
        with child.answering({"do": what, "length": write_shared(child.file, content)}, seconds) as answer:
            kind, text = (part[:2000] + "" for part in answer.get("failed", ("", "")))
            found = answer if kind else read(answer)
    except TooMuchMemoryError as error:
        raise much from error
    except EndedError as error:
        if error.took_too_long:
            why = f"{'building it' if what == 'build' else 'a text'} took more than {seconds:.0f} s"
            raise UnsafeError("the tokenizer does not end", why=why, fix=FIX) from error
        raise UnsafeError("the tokenizer ends the process that runs it", why=str(error), fix=FIX) from error
    if "memory allocation" in text:  # as Oniguruma says it
        raise much
    if kind == "PanicException":
        what = "panics while it is built" if what == "build" else "has a pattern that does not end"
        raise UnsafeError(f"the tokenizer {what}", why=text[:200], fix=FIX)
    if kind and what != "build":
        raise {"TypeError": TypeError, "ValueError": ValueError}.get(kind, Exception)(text)
    return found


@dataclass(frozen=True)
class Encoding:
    """What a child made of a text, with the names of the package tokenizers."""

    ids: list[int]
    type_ids: list[int]
    attention_mask: list[int]
    special_tokens_mask: list[int]
    offsets: list[tuple[int, int]]
    n_sequences: int
    overflowing: list[Encoding]

    def __len__(self) -> int:
        return len(self.ids)

    def char_to_token(self, char_pos: int, sequence_index: int = 0) -> int | None:
        """Return the token that holds a character of a text; of a pair the tokens are not told apart."""
        if self.n_sequences > 1 or sequence_index:
            raise TypeError("places in pairs of texts are not known")
        return next((at for at, (start, stop) in enumerate(self.offsets) if start <= char_pos < stop), None)


def _check_lengths(texts: Iterable[Any]) -> None:
    for text in (text for text in texts if isinstance(text, str) and len(text) > MAX_TEXT):
        raise UnsafeError(f"the model makes a text of {len(text):,} characters", why=f"{MAX_TEXT:,} is the most", fix=FIX)


class LockedTokenizer:
    """Stands in for a `Tokenizer` of the package tokenizers: what reads texts is done in a locked child, all else by `backend`.

    The child is started when it is first needed, and belongs to the process that asks.
    """

    def __init__(self, backend: Any):
        self._backend = backend
        self._child: tuple[int, Child] | None = None
        self._spent_s, self._read = 0.0, 0

    def __reduce__(self) -> tuple[Any, ...]:
        return LockedTokenizer, (self._backend,)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._backend, name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name.startswith("_"):
            object.__setattr__(self, name, value)
            return
        setattr(self._backend, name, value)
        if name != "encode_special_tokens":  # which goes with each request
            self._child = None

    def add_tokens(self, tokens: Any) -> int:
        self._child = None
        return int(self._backend.add_tokens(tokens))

    def add_special_tokens(self, tokens: Any) -> int:
        self._child = None
        return int(self._backend.add_special_tokens(tokens))

    def encode(self, sequence: str, pair: str | None = None, add_special_tokens: bool = True) -> Encoding:
        return self.encode_batch([sequence if pair is None else (sequence, pair)], add_special_tokens)[0]

    def encode_batch(self, texts: Sequence[Any], add_special_tokens: bool = True, is_pretokenized: bool = False) -> list[Encoding]:
        """Return the encodings of texts, and of pairs of them. Lists of words are not read: tokenizers reads those with numpy."""
        if is_pretokenized:
            raise TypeError("lists of words are not read")
        _check_lengths(texts)
        asked = {
            "texts": texts, "add_special_tokens": add_special_tokens,
            "truncation": self._backend.truncation, "padding": self._backend.padding,
            "encode_special_tokens": self._backend.encode_special_tokens, "most_growth": (NORMAL_GROWTH, NORMAL_MORE),
        }  # fmt: skip
        began, child = time.monotonic(), self._running()
        with child.turn:

            def read(answer: Mapping[str, Any]) -> list[Encoding]:
                if "grown" in answer:
                    place, length = answer["grown"]
                    why = f"it makes {length:,} characters of the {len(texts[place]):,} of {texts[place][:80]!r}"
                    raise UnsafeError("the tokenizer's normalizer multiplies texts", why=why, fix=FIX)
                return _encodings(read_shared(child.file, answer["length"]), len(texts))

            encodings: list[Encoding] = _ask(
                child, "encode", json.dumps(asked).encode(), DEADLINE_S + DEADLINE_PER_TEXT_S * len(texts), read
            )
        self._account(time.monotonic() - began, len(texts))
        return encodings

    def decode(self, ids: Sequence[int], skip_special_tokens: bool = True) -> str:
        asked, child = {"ids": list(map(int, ids)), "skip_special_tokens": skip_special_tokens}, self._running()
        with child.turn:

            def read(answer: Mapping[str, Any]) -> str:
                return read_shared(child.file, answer["length"]).decode()

            text: str = _ask(child, "decode", json.dumps(asked).encode(), DEADLINE_S, read)
        return text

    def decode_batch(self, sequences: Sequence[Sequence[int]], skip_special_tokens: bool = True) -> list[str]:
        return [self.decode(ids, skip_special_tokens) for ids in sequences]

    def _running(self) -> Child:
        owner, child = self._child or (0, None)
        if child is None or owner != os.getpid() or not child.runs:
            child = Child(*_CHILD, MAX_MEMORY)
            self._child = os.getpid(), child
            with child.turn:
                failed = _ask(child, "build", self._backend.to_str().encode(), DEADLINE_S).get("failed")
            if failed:
                raise RuntimeError(f"a tokenizer cannot be read again: {failed[1]}")
        return child

    def _account(self, seconds: float, texts: int) -> None:
        self._spent_s, self._read = self._spent_s + seconds, self._read + texts
        if self._spent_s > DEADLINE_S and self._spent_s > USUAL_S * self._read:
            why = f"{self._read:,} texts took {self._spent_s:.0f} s"
            raise UnsafeError("the tokenizer takes far longer than texts need", why=why, fix=FIX)


def _encodings(content: bytearray, texts: int) -> list[Encoding]:
    """Return the encodings that a child wrote, those of the parts that overflow within the first of a text."""
    numbers = array("I")
    numbers.frombytes(content)
    overflows = numbers[:texts]
    rows = texts + sum(overflows)
    lengths, sequences = numbers[texts : texts + 2 * rows : 2], numbers[texts + 1 : texts + 2 * rows : 2]
    total, start = sum(lengths), texts + 2 * rows
    if len(numbers) != start + 6 * total:
        raise ValueError("another number of numbers")
    ids, types, attended, special = (numbers[start + at * total : start + (at + 1) * total].tolist() for at in range(4))
    places = iter(numbers[start + 4 * total :].tolist())
    offsets, ends = list(zip(places, places, strict=True)), list(accumulate(lengths, initial=0))
    parts = [slice(*pair) for pair in pairwise(ends)]
    read = [
        Encoding(ids[part], types[part], attended[part], special[part], offsets[part], sequence, [])
        for part, sequence in zip(parts, sequences, strict=True)
    ]
    firsts = list(accumulate((1 + more for more in overflows), initial=0))
    return [replace(read[first], overflowing=read[first + 1 : last]) for first, last in pairwise(firsts)]


class _Bounded:
    """A tokenizer written in Python, with calls that are limited in time."""

    def __call__(self, text: Any = None, *args: Any, **kwargs: Any) -> Any:
        texts = text if isinstance(text, list | tuple) else [text]
        _check_lengths(texts)
        return _within(DEADLINE_S + DEADLINE_PER_TEXT_S * len(texts), partial(super().__call__, text, *args, **kwargs))  # type: ignore[misc]

    def decode(self, *args: Any, **kwargs: Any) -> Any:
        return _within(DEADLINE_S, partial(super().decode, *args, **kwargs))  # type: ignore[misc]


@cache
def _bounded(cls: Any) -> type:
    """A subclass with limited calls, under the same name, which is part of a model's fingerprint."""
    return type(cls.__name__, (_Bounded, cls), {"__module__": cls.__module__})


def _within(seconds: float, work: Callable[[], Any]) -> Any:
    """Call `work`; raises UnsafeError if it does not finish in time; it ends with the process then."""
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
    if error is not None:
        raise error
    return result
