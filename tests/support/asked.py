"""An audit of a model behind an endpoint, made up."""

from dataclasses import replace


def asked(*verdicts, answers=1000, name="fp_1", **without):
    """An audit by an endpoint; its questions are about refusals, then about texts that could not be read."""
    from audit.extensions.endpoint.record import EndpointRecord, EndpointVersion
    from tests.reports.text.test_verdicts import audit_of

    base = audit_of(*verdicts)
    ways = zip(base.findings[: len(verdicts)], ("refusal", "unparsed"), strict=False)
    primary = [replace(each, metric="selection_rate", better="neither", outcome=way) for each, way in ways]
    version = EndpointVersion("tiny" if name else "", name, "2026-11-27T05:00:00Z", "2026-11-27T06:00:00Z", answers, without)
    record = EndpointRecord(
        host="localhost:8000", local=True, model="tiny", mode="text", notes=(), settings={"temperature": "0"}, images=500,
        answers=answers, sent=0, answered=0, cost=None, currency="", label_scores=0, bounded=0,
        first=version.first, last=version.last, versions=(version,), changes=(),
    )  # fmt: skip
    return replace(base, findings=(*primary, *base.findings[len(verdicts) :]), accounts={"endpoint": record})
