"""Names that stay between runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from audit.types import Claim


def finding_id(measurement: str, claim: Claim) -> str:
    """Return the stable name of the finding that answers `claim`.

    Examples
    --------
    >>> from audit.types import Claim
    >>> finding_id("harm-21", Claim("selection_rate", ("race", "gender"), "non-human"))
    'harm-21/selection_rate[non-human]/race x gender'
    """
    outcome = f"[{claim.outcome}]" if claim.outcome else ""
    return f"{measurement}/{claim.metric}{outcome}/{' x '.join(claim.by)}"
