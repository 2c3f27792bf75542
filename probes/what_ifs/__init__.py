"""Each probe's plans for `--what-if`: neutral labels, directions given by words, pairs that should mean the same."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from audit.plans import Pairs


def neighbours(prompts: Sequence[str]) -> Pairs:
    """Return each prompt with the next; their differences span all differences between the prompts.

    Examples
    --------
    >>> neighbours(["a", "b", "c"])
    (('a', 'b'), ('b', 'c'))
    """
    return tuple(pairwise(prompts))
