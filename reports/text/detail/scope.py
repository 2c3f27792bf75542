"""What was audited, in a few sentences."""

from __future__ import annotations

from collections.abc import Iterator

from audit.results import AuditResult
from reports.text import phrases
from reports.text.notes import sentence
from reports.text.numbers import count, in_words
from reports.text.reasons import in_suite
from strictio.images.decode import explained


def data_lines(audit: AuditResult) -> Iterator[str]:
    """Yield sentences on how many images of which data were used, what was left out, and what the sampling unit is."""
    data = audit.data
    licence = "" if data.licence == "not stated" else f" ({data.licence})"
    used = f"{in_words(data.listed, 'image')} listed, {count(data.used)} used" if data.listed else "no image was needed"
    yield f"{data.name}{licence}: {used}."
    if data.exclusions:
        left_out = "; ".join(
            f"{in_words(exclusion.count, 'image')} ({explained(sentence(exclusion.reason))})" for exclusion in data.exclusions
        )
        yield f"Left out: {left_out}."
    if data.clusters is not None:
        by = phrases.attributes([data.cluster or ""])
        yield f"Images come in {in_words(data.clusters, 'cluster')}, by {by}: the cluster is the sampling unit."
    if data.several:
        yield f"By {phrases.attributes(data.several)}, an image counts in several groups, in proportion to the values given to it."
    yield from in_suite(audit)
    if data.weights is not None:
        yield f"Images are weighted by the column “{data.weights}”."
