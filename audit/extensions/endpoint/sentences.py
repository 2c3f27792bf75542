"""Sentences about a model behind an endpoint: what was sent where, how it answered, what it cost, and whether it changed."""

from __future__ import annotations

from collections.abc import Iterator

from audit.extensions.endpoint.record import EndpointRecord
from audit.types import UNCLEAR
from reports.text.numbers import count, decimal, in_words, percent

HERE, ELSEWHERE = "this machine", "another machine"
MODES = {
    "likelihood": "likelihood (the server returns that of every option)",
    "letter": "constrained: a letter, with the likely first tokens",
    "schema": "constrained: a JSON schema",
    "text": "text, mapped to the closed set of options",
    "embeddings": "embeddings of texts",
}
CHANGED = (
    "The server named several versions of the model during the audit. They may have seen different images, so a difference between them "
    "may be due to the images; rates and gaps of this report mix the versions."
)
UNCHANGED = "Only one version was named. A service may change a model without renaming it."
UNNAMED = "The server does not name a version, so a change of the model would go unnoticed."


def sent_sentence(record: EndpointRecord) -> str:
    """Say what was sent where."""
    where = HERE if record.local else ELSEWHERE
    if record.mode == "embeddings":
        texts, verb = in_words(record.answers, "text"), "was" if record.answers == 1 else "were"
        return f"{texts} of the probe {verb} sent to {record.host} ({where}), no image. {_dates(record)}"
    images = in_words(record.images, "image")
    verb = "was" if record.images == 1 else "were"
    requests = in_words(record.answers, "request")
    what = "only pixels, re-encoded as PNG, without names, metadata or labels"
    return f"{images} {verb} sent to {record.host} ({where}) in {requests}: {what}. {_dates(record)}"


def endpoint_facts(record: EndpointRecord) -> Iterator[tuple[str, str]]:
    """Yield the terms and values that the section lists."""
    yield "Asked for", record.model
    yield "Mode", MODES[record.mode]
    yield "Settings", "; ".join(f"{name}: {value}" for name, value in sorted(record.settings.items()))
    if record.bounded:
        share = percent(record.bounded / record.label_scores, 1)
        yield "Upper bounds", f"{share} of the scores of options: the server did not list them, so they are at most this, but not 0"
    yield "Tokens", f"{count(record.sent)} sent, {count(record.answered)} received" if record.sent else "the server does not count them"
    yield "Cost", cost(record.cost, record.currency) if record.cost is not None else "unknown (give --prices)"


def cost(amount: float, currency: str) -> str:
    """Return an amount of money with its currency.

    Examples
    --------
    >>> cost(12.3456, "USD"), cost(0.00123, "")
    ('12.35 USD', '0.0012')
    """
    shown = f"{amount:,.2f}" if amount >= 1 else decimal(amount, 4)
    return f"{shown} {currency}".strip()


def remark(record: EndpointRecord) -> str:
    """Say what the version names tell about the model, and what they do not."""
    if len(record.versions) > 1:
        return CHANGED
    return UNCHANGED if any(record.version_names) else UNNAMED


def ways(record: EndpointRecord) -> tuple[str, ...]:
    """Return all the replies that were no answer, such as a refusal, in order of appearance after ‘unclear’; none for embeddings."""
    if record.mode == "embeddings":
        return ()
    known = dict.fromkeys(way for version in record.versions for way in version.without_answer)
    return (UNCLEAR, *(way for way in known if way != UNCLEAR))


def written(date: str) -> str:
    """Return a timestamp in readable form.

    Examples
    --------
    >>> written("2026-11-27T05:47:21Z")
    '2026-11-27 05:47:21 UTC'
    """
    return date.replace("T", " ").replace("Z", " UTC")


def _dates(record: EndpointRecord) -> str:
    if not record.first:
        return "No question was answered."
    first, last = map(written, (record.first, record.last))
    return f"Replies received at {first}." if first == last else f"Replies received from {first} to {last}."
