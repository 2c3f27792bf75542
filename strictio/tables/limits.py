"""How much a file may unfold to: data that repeat shrink a hundredfold at most, what shrinks further was made to fill the memory."""

from __future__ import annotations

from strictio.errors import UnsafeError

ALWAYS, RATIO = 256 * 2**20, 100


def most_unfolded(stored: int) -> int:
    """Return how many bytes a file of `stored` bytes may unfold to."""
    return max(ALWAYS, RATIO * stored)


def check_unfolded(name: str, stored: int, unfolded: int) -> None:
    """Raise `UnsafeError` if a file of `stored` bytes unfolds to too many."""
    if unfolded > most_unfolded(stored):
        raise bomb(name, f"its {stored:,} bytes unfold to {unfolded:,} or more")


def bomb(name: str, reason: str) -> UnsafeError:
    """Return the error about a file that would fill the memory."""
    why = f"{reason}; allowed are {ALWAYS // 2**20} MiB, and {RATIO} times the size of the file"
    return UnsafeError(
        f"{name} would fill the memory", why=why, fix="if the file is your own, write it as a CSV file that is not compressed"
    )
