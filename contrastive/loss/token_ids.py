"""Where a row of ids ends, and what in it is a word."""

from __future__ import annotations

import torch
from torch import Tensor


def end_positions(ids_nl: Tensor, eot: int) -> Tensor:
    """Return int64[n]: the place of each row's first end-of-text id.

    Raises `ValueError` if a row has none: what follows its last word cannot be told from padding.
    """
    is_end_nl = ids_nl == eot
    missing_n = ~is_end_nl.any(dim=1)
    if missing_n.any():
        raise ValueError(f"row {int(missing_n.int().argmax())} has no end-of-text id ({eot})")
    return is_end_nl.int().argmax(dim=1)


def words_mask(ids_nl: Tensor, eot: int) -> Tensor:
    """Return bool[n, l]: True between the start (place 0) and the end of the text, both excluded; never on padding.

    Examples
    --------
    >>> words_mask(torch.tensor([[8, 5, 6, 9, 0]]), eot=9).int().tolist()
    [[0, 1, 1, 0, 0]]
    """
    place_l = torch.arange(ids_nl.shape[1], device=ids_nl.device)
    return (place_l > 0) & (place_l < end_positions(ids_nl, eot)[:, None])


def reversed_words(ids_nl: Tensor, eot: int) -> Tensor:
    """Return the same texts with their words in reverse order; start, end and padding stay in place.

    Examples
    --------
    >>> reversed_words(torch.tensor([[8, 5, 6, 7, 9, 0], [8, 5, 9, 0, 0, 0]]), eot=9).tolist()
    [[8, 7, 6, 5, 9, 0], [8, 5, 9, 0, 0, 0]]
    """
    place_l = torch.arange(ids_nl.shape[1], device=ids_nl.device)
    mirrored_nl = torch.where(words_mask(ids_nl, eot), end_positions(ids_nl, eot)[:, None] - place_l, place_l)
    return ids_nl.gather(1, mirrored_nl)
