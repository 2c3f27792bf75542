"""Images of several conditions of nature, such as day and night."""

from __future__ import annotations

from dataclasses import dataclass

from audit.plans import AnalysisPlan, Group


@dataclass(frozen=True, kw_only=True)
class NaturalShiftPlan(AnalysisPlan):
    """Other images in each condition, as nature or a camera made them: accuracy under a shift against the standard condition.

    Beside it stands the effective robustness (Taori et al. 2020) where enough other models are known: those of the same run, or of
    ``--baseline-models``.
    """

    measurement: str
    """Its truth decides what is right."""
    column: str
    """The attribute that says in which condition, or from which source, an image is."""
    standard: str
    """Its level that the others are compared with."""
    by: Group = ()
    """Attributes whose groups are compared, each by itself; none: all images together."""
