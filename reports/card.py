"""A compact card of an audit for a notebook: verdict and the clearest findings, a few lines of HTML without style sheet or script."""

from __future__ import annotations

from html import escape

from audit.results import AuditResult, Results
from reports import words
from reports.numbers import clean
from reports.page import by_severity

_MOST = 4


def card(results: Results) -> str:
    """Return the card of `results` as an HTML fragment; every foreign string is escaped."""
    return "".join(map(_audit, results.audits))


def _audit(audit: AuditResult) -> str:
    primary = sorted((finding for finding in audit.findings if finding.primary), key=by_severity)
    items = "".join(f"<li>{_text(words.headline(finding, audit))}</li>" for finding in primary[:_MOST])
    more = f"<p>and {len(primary) - _MOST} more questions</p>" if len(primary) > _MOST else ""
    verdict = words.VERDICTS[audit.verdict]
    return (
        f"<div><p><strong>{_text(audit.model.name)} · {_text(audit.probe.name)}: {verdict.word}.</strong> "
        f"{_text(verdict.sentence)} {_text(audit.verdict_reason)}</p><ul>{items}</ul>{more}"
        f"<p>Not tested: {_text('; '.join(audit.probe.not_tested))}.</p></div>"
    )


def _text(text: str) -> str:
    return escape(clean(text))
