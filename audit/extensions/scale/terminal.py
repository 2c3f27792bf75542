"""What a cache was filled with, on a terminal: one line per model and probe."""

from __future__ import annotations

from collections.abc import Iterable

from audit.extensions.scale.fill import Filled
from reports.text.numbers import in_words


def filled_lines(done: Iterable[Filled]) -> str:
    """Say what is in the cache now, and what cannot be read."""
    return "\n".join(_line(filled) for filled in done)


def _line(filled: Filled) -> str:
    receipt = filled.receipt
    part = f" · part {receipt.part}/{receipt.of}" if receipt.of > 1 else ""
    counted = f"{receipt.embedded:,} of {in_words(receipt.rows, 'image')} and {in_words(filled.texts, 'text')} in the cache"
    unread = "".join(
        f", {exclusion['count']:,} left out ({str(exclusion['reason']).replace('_', ' ')})" for exclusion in receipt.exclusions
    )
    return f"{receipt.model} · {filled.probe}{part}: {counted} ({receipt.computed:,} new){unread}"
