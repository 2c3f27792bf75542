"""Further slices of a probe: its questions by groups that somebody asked for, intersections to any depth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from audit.types import Claim, Measurement, Probe


def with_slices(probe: Probe, slices: Sequence[tuple[str, ...]]) -> Probe:
    """Return the probe with every pre-specified question also asked by further groups (one tuple of attributes each), as exploratory.

    Groups that are too small are shown and not judged, however deep the intersection. A slicing that a question has already is not added
    again, in whatever order its attributes are named.
    """
    return replace(probe, measurements=tuple(_sliced(measurement, slices) for measurement in probe.measurements)) if slices else probe


def _sliced(measurement: Measurement, slices: Sequence[tuple[str, ...]]) -> Measurement:
    counting = [claim for claim in measurement.claims if claim.primary] or measurement.claims
    claimed = {(claim.metric, claim.outcome, frozenset(claim.by)) for claim in measurement.claims}
    added: dict[tuple[str, str | None, frozenset[str]], Claim] = {}
    for claim in counting:
        for by in slices:
            key = (claim.metric, claim.outcome, frozenset(by))
            if key not in claimed:
                added.setdefault(key, replace(claim, by=by, primary=False))
    return replace(measurement, claims=(*measurement.claims, *added.values()))
