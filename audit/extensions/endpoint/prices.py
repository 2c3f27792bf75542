"""The cost of tokens, from the user's table of prices in TOML.

::

    currency = "USD"

    [models."NAME"]
    input = 2.5             # per million input tokens
    output = 10.0           # per million output tokens
    image_tokens = 765      # per image, for the estimate before anything is sent
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audit.errors import DataError, UsageError, nearest
from strictio.files import read_bytes

IMAGE_TOKENS = 1000
"""Tokens per image in the estimate before anything is sent, unless the table states them."""
TOKEN_LETTERS = 4
"""Characters per token of text in the same estimate."""
_MILLION = 1_000_000
_MOST_BYTES = 1 << 20
_NUMBERS = ("input", "output", "image_tokens")


@dataclass(frozen=True)
class Prices:
    """The prices of one model."""

    currency: str
    input: float
    """Per million input tokens."""
    output: float
    """Per million output tokens."""
    image_tokens: int = IMAGE_TOKENS

    def cost(self, sent: float, answered: float) -> float:
        """The cost of tokens.

        Examples
        --------
        >>> Prices("USD", input=2.0, output=8.0).cost(1_000_000, 500_000)
        6.0
        """
        return (sent * self.input + answered * self.output) / _MILLION


def text_tokens(text: str) -> int:
    """Approximate number of tokens in a text."""
    return -(-len(text) // TOKEN_LETTERS)


def read_prices(path: Path, model: str) -> Prices:
    """Read the prices of a model; raises DataError if the table cannot be read, UsageError if it does not name the model."""
    where = str(path)
    try:
        content = read_bytes(path, _MOST_BYTES)
        table: dict[str, Any] = tomllib.loads(content.decode())
    except OSError as error:
        raise DataError("the table of prices cannot be read", where=where, why=error.strerror, fix="--prices prices.toml") from error
    except ValueError as error:  # from UTF-8 or TOML
        raise DataError("the table of prices is not TOML", where=where, why=str(error)[:200], fix="see the guide of endpoints") from error
    models = table.get("models")
    if not isinstance(models, dict) or model not in models:
        known = models if isinstance(models, dict) else {}
        fix = nearest(model, known) if known else 'add [models."NAME"] with input and output'
        raise UsageError(f"the table of prices does not name the model {model!r}", where=where, fix=fix)
    entry = models[model]
    prices = {"image_tokens": IMAGE_TOKENS, **entry} if isinstance(entry, dict) else {}
    if not all(_is_price(prices.get(name)) for name in _NUMBERS):
        why = "input and output are what a million tokens cost, image_tokens the tokens of an image: numbers of at least 0"
        raise DataError(f"the prices of {model!r} cannot be read", where=where, why=why, fix="input = 2.5")
    currency = table.get("currency", "")
    if not isinstance(currency, str) or len(currency) > 10:
        raise DataError("the currency is not a short text", where=where, fix='currency = "USD"')
    return Prices(currency, float(prices["input"]), float(prices["output"]), int(prices["image_tokens"]))


def _is_price(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < float("inf")
