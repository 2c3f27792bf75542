"""Records about a changed model and the unchanged one on the same images, for what-ifs and mitigations."""

from __future__ import annotations

from audit.records.base import Estimate, record

CONTENT = "image content"
"""The unit of what-ifs whose images do not come in clusters."""


@record
class Utility:
    """Accuracy before and after, on the same images; no answer counts as wrong."""

    n: int
    before: float
    after: float
    change: Estimate
    p: float
    """Exact McNemar test; if images come in clusters, a test in which all images of a cluster change sign together."""
    answered: float
    """Share of the images that still get an answer."""
    among_answered: float | None
    """Accuracy among these images."""
