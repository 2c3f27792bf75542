"""Server errors: maps a status and a body to what to do; the server's message is shortened and cleaned."""

from __future__ import annotations

import base64
import html
import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import unquote

from audit.errors import AuditError, DataError, MachineError
from audit.extensions.endpoint.answer_log import Answer

SHOWN = 200
"""Maximum number of characters of a server's message."""
BUSY = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524, 529})
"""Statuses for which the same request may succeed later."""
FILTERED = ("content_filter", "content_policy_violation", "responsibleai", "moderation_blocked")
"""Codes with which services report that they refuse to answer."""
LEAST_KEY = 8
"""Minimum number of characters in a secret key: for local servers "none", "EMPTY" or "test" are common."""
_SECRETS = re.compile(r"\b(?:sk|hf|gsk|xai|pk|key|AKIA|AIza)[-_]?[A-Za-z0-9*_-]{12,}")
_UNPRINTED = re.compile(r"[^!-~]+")
"""Possible separators between the characters of a key, which is printable ASCII: a line break, a soft hyphen, a space."""
_NESTED, _MOST_CODES = 3, 10
"""Maximum nesting of encodings, and maximum number of encoded occurrences of the key; beyond, the text is not shown."""
_MOST_SEARCHED = 1 << 19
"""Maximum number of characters to search for a key, about a second's work; for longer texts only the length is shown."""
_ESCAPED = re.compile(r"\\(?:u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|([^ux]))")
_BLANK_ESCAPES = frozenset("0abfnrtv")
_TITLE = re.compile(r"<title[^>]*>(.*?)</title>", re.IGNORECASE | re.DOTALL)


class BusyError(Exception):
    """The server may answer the same request later."""

    def __init__(self, why: str, wait_s: float | None = None, *, by_server: bool = False):
        super().__init__(why)
        self.why, self.wait_s = why, wait_s
        self.by_server = by_server
        """Whether the server itself reports it: then it exists, and may still be loading its model."""


class EmptyError(BusyError):
    """A reply that was paid for, or is complete, but has no answer."""

    def __init__(self, why: str, empty: Answer):
        super().__init__(why, by_server=True)
        self.empty = empty
        """An answer without text: its tokens, and the server's name for the model."""


class FilteredError(Exception):
    """The server refuses to answer this request."""


class RefusedError(Exception):
    """The server rejects requests of this form."""

    def __init__(self, why: str):
        super().__init__(why)
        self.why = why


def masked(text: str, key: str | None) -> str:
    """Remove the key from a text to be stored; shorter keys than `LEAST_KEY` are placeholders, which an answer may contain.

    Examples
    --------
    >>> masked("you sent abcd-1234-efgh", "abcd-1234-efgh"), masked("none of them", "none")
    ('you sent [key]', 'none of them')
    """
    return _without(text, key) if key and len(key) >= LEAST_KEY else text


def cleaned(text: str, key: str | None = None) -> str:
    r"""Prepare a server's message for display: on one line, shortened, without markup, control characters and keys.

    Examples
    --------
    >>> cleaned("<html><head><title>502 Bad\nGateway</title></head>…</html>"), cleaned("no: sk-proj-abcdefghijkl1234 \x1b[2J")
    ('a page of HTML: 502 Bad Gateway', 'no: [key] [2J')
    """
    page = re.match(r"\s*<(?:!doctype|html|head|body|\?xml)", text, re.IGNORECASE)
    if page:
        title = _TITLE.search(text[:10_000])
        text = title[1] if title else ""
    if key and len(key) > 3:
        text = _without(text, key)
    if page:
        text = f"a page of HTML: {html.unescape(text)}" if text else "a page of HTML"
    plain = "".join(letter if letter.isprintable() else " " for letter in _SECRETS.sub("[key]", text[:10_000]))
    plain = " ".join(plain.split())
    return plain if len(plain) <= SHOWN else f"{plain[: SHOWN - 1]}…"


def _without(text: str, key: str) -> str:
    r"""Remove a key from a text; if the key appears only in a decoded form of the text, that form is returned.

    Examples
    --------
    >>> _without("a &#97;bcd%2D1234 b", "abcd-1234"), _without("a &lt; b", "abcd-1234")
    ('a [key] b', 'a &lt; b')
    >>> _without('{"k": "ab\\"c\\u002d12\\\\34"}', 'ab"c-12\\34'), _without("Basic bWU6YWJjZC0xMjM0", "abcd-1234")
    ('{"k": "[key]"}', 'Basic bWU6[key]')
    """
    if len(text) > _MOST_SEARCHED:
        return f"[{len(text):,} characters]"
    forms, pattern = _forms_of(key)
    for _ in range(_MOST_CODES):
        shown = next(
            (reading for reading in _readings(text) if any(form in _UNPRINTED.sub("", reading).casefold() for form in forms)), None
        )
        if shown is None:
            return text
        text = pattern.sub("[key]", shown)
    return "[key]"


def _readings(text: str) -> Iterator[str]:
    """Yield a text and its decoded forms: `_DECODINGS` applied in every order, up to `_NESTED` of them."""
    readings = {text: None}
    for _ in range(_NESTED + 1):
        yield from readings
        readings = dict.fromkeys(decoded for reading in readings for decode in _DECODINGS if (decoded := decode(reading)) != reading)


@lru_cache(maxsize=4)
def _forms_of(key: str) -> tuple[tuple[str, ...], re.Pattern[str]]:
    """The forms in which a key may appear, in lower case, and a pattern that matches them in any case and with gaps."""
    forms = {key}
    for before in range(3 if len(key) >= LEAST_KEY else 0):  # the base64 form of a key depends on the number of bytes before it
        whole = base64.b64encode(bytes(before) + key.encode()).rstrip(b"=").decode()
        part = whole[-(-8 * before // 6) : 8 * (before + len(key)) // 6]  # the characters that encode only the key
        forms |= {part, part.replace("+", "-").replace("/", "_"), key.encode().hex()}
    longest_first = sorted(forms, key=len, reverse=True)
    gap = _UNPRINTED.pattern.replace("+", "*")
    pattern = "|".join(gap.join(map(re.escape, form)) for form in longest_first)
    return tuple(form.casefold() for form in longest_first), re.compile(pattern, re.IGNORECASE)


def _unescaped(text: str) -> str:
    """Undo the backslash escapes of JSON and of programming languages."""

    def character(escape: re.Match[str]) -> str:
        number, letter = escape[1] or escape[2], escape[3]
        return chr(int(number, 16)) if number else " " if letter in _BLANK_ESCAPES else letter

    return _ESCAPED.sub(character, text)


_DECODINGS: tuple[Callable[[str], str], ...] = (html.unescape, unquote, _unescaped, lambda text: re.sub(r"<[^<>]*>", "", text))
"""Possible encodings of a text: HTML, a URL, JSON, and HTML tags."""


def said_in(body: bytes, key: str | None = None) -> str:
    """The message in a body: that of an error in OpenAI's format, else the body itself."""
    text = body.decode("utf-8", "replace")
    try:
        content: Any = json.loads(text)
        for name in ("error", "detail", "message"):
            if isinstance(content, dict) and name in content:
                content = content[name]
                if isinstance(content, dict) and isinstance(content.get("message"), str):
                    content = content["message"]
                break
        text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
    except (ValueError, RecursionError):
        pass  # not JSON, or nested too deeply
    return cleaned(text, key)


def complaint(status: int, headers: Mapping[str, str], body: bytes, key: str | None = None) -> Exception:
    """The exception for a reply without an answer: `BusyError`, `FilteredError`, `RefusedError`, or an `AuditError`."""
    message = said_in(body, key)
    if status in BUSY and not _is_out_of_money(body):
        return BusyError(f"status {status}: {message}", wait_of(headers), by_server=True)
    if 300 <= status < 400:
        what = "the server sends the request on to another address"
        return MachineError(what, where="--base-url", why="images are not sent where you did not send them", fix="name that address")
    if status in (401, 403):
        why = f"status {status}: {message}"
        return MachineError("the server does not accept the key", where="--base-url", why=why, fix="set the variable with the key again")
    if status in (402, 429):
        fix = "see your account; the same command resumes where it stopped"
        return MachineError("the server reports insufficient quota", why=f"status {status}: {message}", fix=fix)
    if any(code in body[:10_000].decode("utf-8", "replace").casefold() for code in FILTERED):
        return FilteredError(message)
    return _about_request(status, message)


def _about_request(status: int, message: str) -> Exception:
    """The error for a problem with the model, or with the form of a request."""
    why = f"status {status}: {message}"
    for meant, what, fix in _MEANINGS:
        if status == meant.status or meant.words.search(message.casefold()):
            return DataError(what, where="--model", why=why, fix=fix)
    return RefusedError(why)


class _Meant(NamedTuple):
    status: int | None
    words: re.Pattern[str]


_MEANINGS = (
    (
        _Meant(413, re.compile(r"context.{0,30}(length|window|size)|maximum.{0,20}(context|length|tokens)|too (long|large|many tokens)")),
        "an image and a question are too long for this model",
        "a model with a longer context, or --max-model-len of the server",
    ),
    (
        _Meant(
            None,
            re.compile(
                r"\bnot (support|accept|take|process|have|read).{0,40}(image|vision|multimodal|modalit)|"
                r"not a (multimodal|vision)|text.only|"
                r"\b(image|vision|multimodal).{0,40}not (supported|allowed|accepted)"
            ),
        ),
        "the model does not take images",
        "name a model that reads images",
    ),
    (
        _Meant(404, re.compile(r"model.{0,80}(not found|not exist|unknown|not available)|(unknown|no such|invalid) model")),
        "the server does not know this model",
        "--model api:NAME, by a name that the server lists at its address /v1/models",
    ),
)
"""Meanings of a rejected request, by its status or by words that servers use; the first match is used."""


def final(error: RefusedError) -> AuditError:
    """The error for a request whose form the server rejects."""
    return DataError("the server does not take the question", why=error.why, fix="another --answer-mode, or another server")


def wait_of(headers: Mapping[str, str]) -> float | None:
    """Number of seconds to wait according to the server; None if it states no valid time.

    A date is compared with the server's own clock, which may differ from ours.

    Examples
    --------
    >>> wait_of({"retry-after": "3"}), wait_of({"retry-after-ms": "250"}), wait_of({"retry-after": "nan"}), wait_of({"retry-after": "-1"})
    (3.0, 0.25, None, None)
    >>> wait_of({"retry-after": "Fri, 01 Jan 2021 00:00:09 GMT", "date": "Fri, 01 Jan 2021 00:00:05 GMT"})
    4.0
    """
    for name, scale in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            wait_s = float(headers[name]) * scale
        except KeyError:
            continue
        except ValueError:
            wait_s = _seconds_between(headers.get("date"), headers[name])
        if math.isfinite(wait_s) and wait_s >= 0:
            return wait_s
    return None


def _seconds_between(now: str | None, then: str) -> float:
    """The seconds from one HTTP date to another; NaN if one of them is invalid."""
    try:
        return (parsedate_to_datetime(then) - parsedate_to_datetime(now or "")).total_seconds()
    except (ValueError, TypeError, OverflowError):
        return math.nan


def _is_out_of_money(body: bytes) -> bool:
    return b"insufficient_quota" in body[:10_000] or b"billing_hard_limit" in body[:10_000]
