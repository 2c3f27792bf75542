"""What tokens cost, as a table of the user's says: TOML in, money out.

::

    currency = "USD"

    [models."NAME"]
    input = 2.5             # for a million tokens that are sent
    output = 10.0           # for a million tokens that are answered
    image_tokens = 765      # of one image, for the estimate before anything is sent
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audit.errors import DataError, UsageError, nearest

IMAGE_TOKENS = 1000
"""Taken for an image before anything is sent, where the table says nothing."""
TOKEN_LETTERS = 4
"""Letters taken for a token of text, in the same estimate."""
_MILLION = 1_000_000
_MOST_BYTES = 1 << 20
_NUMBERS = ("input", "output", "image_tokens")


@dataclass(frozen=True)
class Prices:
    """What one model costs."""

    currency: str
    input: float
    """For a million tokens that are sent."""
    output: float
    """For a million tokens that are answered."""
    image_tokens: int = IMAGE_TOKENS

    def cost(self, sent: float, answered: float) -> float:
        """Return what tokens cost.

        Examples
        --------
        >>> Prices("USD", input=2.0, output=8.0).cost(1_000_000, 500_000)
        6.0
        """
        return (sent * self.input + answered * self.output) / _MILLION


def text_tokens(text: str) -> int:
    """Return about how many tokens a text has."""
    return -(-len(text) // TOKEN_LETTERS)


def read_prices(path: Path, model: str) -> Prices:
    """Return what a model costs; DataError if the table cannot be read, UsageError if it does not name the model."""
    where = str(path)
    try:
        content = path.read_bytes()[: _MOST_BYTES + 1]
        table: dict[str, Any] = tomllib.loads(content.decode())
    except OSError as error:
        raise DataError("the table of prices cannot be read", where=where, why=error.strerror, fix="--prices prices.toml") from error
    except ValueError as error:  # of UTF-8, and of TOML
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
