"""What runs in a child for tokenizers: it builds one of the package tokenizers, and reads texts with it.

Requests and answers lie in the shared file, as JSON and as numbers. The child imports the package tokenizers alone.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Mapping, Sequence
from typing import IO, Any

from strictio.child.serve import Answer, read_shared, write_shared

FIELDS = ("ids", "type_ids", "attention_mask", "special_tokens_mask", "offsets")
"""The parts of an encoding, in the order in which its numbers are written; offsets are two numbers each."""


def reading_texts() -> Answer:
    """Return the function that answers; the first request builds the tokenizer."""
    from tokenizers import Tokenizer

    tokenizers: list[Any] = []

    def answer(request: dict[str, Any], file: IO[bytes], _: Sequence[int]) -> dict[str, Any]:
        content = bytes(read_shared(file, request["length"]))
        try:
            if request["do"] == "build":
                tokenizers[:] = [Tokenizer.from_str(content.decode())]
                return {}
            asked = json.loads(content)
            return {"encode": _encode, "decode": _decode}[request["do"]](tokenizers[0], asked, file)
        except MemoryError:
            raise
        except BaseException as error:  # from Rust: a panic is not an Exception
            return {"failed": [type(error).__name__, str(error)[:2000]]}

    return answer


def _encode(tokenizer: Any, asked: Mapping[str, Any], file: IO[bytes]) -> dict[str, Any]:
    texts = [tuple(text) if isinstance(text, list) else text for text in asked["texts"]]
    if grown := _grown(tokenizer, texts, asked["most_growth"]):
        return {"grown": grown}
    _settle(tokenizer, asked)
    found = tokenizer.encode_batch(texts, add_special_tokens=asked["add_special_tokens"])
    rows = [row for encoding in found for row in (encoding, *encoding.overflowing)]
    numbers = array("I", (len(encoding.overflowing) for encoding in found))
    numbers.extend(number for row in rows for number in (len(row.ids), row.n_sequences))
    for field in FIELDS[:-1]:
        for row in rows:
            numbers.extend(getattr(row, field))
    for row in rows:
        numbers.extend(number for pair in row.offsets for number in pair)
    return {"length": write_shared(file, memoryview(numbers))}


def _grown(tokenizer: Any, texts: Sequence[Any], most: Sequence[int] | None) -> list[int] | None:
    """Return the place of the first text that normalisation makes far longer, and its length then."""
    if most is None or tokenizer.normalizer is None:
        return None
    for place, text in enumerate(texts):
        if isinstance(text, str) and (length := len(tokenizer.normalizer.normalize_str(text))) > most[0] * len(text) + most[1]:
            return [place, length]
    return None


def _settle(tokenizer: Any, asked: Mapping[str, Any]) -> None:
    if tokenizer.truncation != asked["truncation"]:
        tokenizer.no_truncation() if asked["truncation"] is None else tokenizer.enable_truncation(**asked["truncation"])
    if tokenizer.padding != asked["padding"]:
        tokenizer.no_padding() if asked["padding"] is None else tokenizer.enable_padding(**asked["padding"])
    if tokenizer.encode_special_tokens != asked["encode_special_tokens"]:
        tokenizer.encode_special_tokens = asked["encode_special_tokens"]


def _decode(tokenizer: Any, asked: Mapping[str, Any], file: IO[bytes]) -> dict[str, Any]:
    text = tokenizer.decode(asked["ids"], skip_special_tokens=asked["skip_special_tokens"])
    return {"length": write_shared(file, text.encode())}
