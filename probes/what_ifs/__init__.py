"""What each probe fixes beforehand for `--what-if`: neutral labels, directions in words, pairs that should mean the same."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from audit.plans import Pairs


def neighbours(prompts: Sequence[str]) -> Pairs:
    """Return each prompt with the next: their differences span everything that sets the prompts apart.

    Examples
    --------
    >>> neighbours(["a", "b", "c"])
    (('a', 'b'), ('b', 'c'))
    """
    return tuple(pairwise(prompts))
