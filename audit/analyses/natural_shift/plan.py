"""Images from several natural conditions, such as day and night."""

from __future__ import annotations

from dataclasses import dataclass

from audit.plans import AnalysisPlan, Group


@dataclass(frozen=True, kw_only=True)
class NaturalShiftPlan(AnalysisPlan):
    """Different images in each condition, as nature or a camera made them: accuracy under a shift compared with the standard condition.

    The report adds the effective robustness (Taori et al. 2020) if enough other models are known: those of the same run, or of
    ``--baseline-models``.
    """

    measurement: str
    """Its truth decides which answers are right."""
    column: str
    """The attribute that says which condition, or which source, an image is from."""
    standard: str
    """The level that the others are compared with."""
    by: Group = ()
    """Attributes whose groups are compared, one attribute at a time; none: all images together."""
