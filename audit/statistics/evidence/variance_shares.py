"""Where the spread of a specification curve comes from: the wording, the label set, or their interplay."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from audit.records.evidence import VarianceShares

if TYPE_CHECKING:
    from jaxtyping import Float


def variance_shares(effects: Float[np.ndarray, "t s"]) -> VarianceShares | None:
    """Split the spread of an effect over wordings and label sets: ``e_ts = m + a_t + b_s + r_ts``, sums of squares over their total.

    Parameters
    ----------
    effects : float[t, s]
        Signed effect under wording `t` and label set `s`; all of them estimated.

    Returns
    -------
    VarianceShares or None
        None where every specification gives the same effect.

    Raises
    ------
    ValueError
        If an effect is missing: the shares of an incomplete layout do not add up.

    Examples
    --------
    Wording moves the effect by +-2, the label set by +-1: sums of squares 16 and 4.

    >>> found = variance_shares(np.array([[1.0, 3.0], [-3.0, -1.0]]))
    >>> found.wording, found.label_set, found.interplay
    (0.8, 0.2, 0.0)
    """
    if not np.isfinite(effects).all():
        raise ValueError("variance shares need the effect of every specification")
    centred = effects - effects.mean()
    total = float((centred**2).sum())
    if total <= 1e-24:
        return None
    wordings, label_sets = centred.mean(axis=1), centred.mean(axis=0)
    by_wording = float((wordings**2).sum()) * effects.shape[1] / total
    by_label_set = float((label_sets**2).sum()) * effects.shape[0] / total
    return VarianceShares(by_wording, by_label_set, max(0.0, 1 - by_wording - by_label_set))
