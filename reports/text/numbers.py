"""Formatting of numbers and of untrusted text. Every number comes from the results; nothing is computed here."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Sequence

NOT_ESTIMABLE = "not estimable"
_MOST_DECIMALS = 3
_MOST_HASHES = 4
_ROUNDING = 1e-9
"""A percentage closer to 0 than this counts as 0."""
_MARKS_OF_DIRECTION = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff\u2028\u2029")
_UNCLEAN = re.compile(f"[\\x00-\\x1f\\x7f-\\x9f\\ud800-\\udfff{''.join(sorted(_MARKS_OF_DIRECTION))}]")
"""Every character that `clean` changes."""
_SPACE = "\u00a0"
"""Keeps a number and its unit on one line."""


def clean(text: str) -> str:
    r"""Remove everything from untrusted text that could change the text around it: control characters, direction marks, lone surrogates.

    Examples
    --------
    >>> clean("Fe\x1b[31mmale\u202e")
    'Fe[31mmale'
    """
    return _UNCLEAN.sub(lambda match: _cleaned(match[0]), text)


def _cleaned(character: str) -> str:
    if character in _MARKS_OF_DIRECTION:
        return ""
    category = unicodedata.category(character)
    if category == "Cs":
        return "\ufffd"
    if category == "Cc":
        return " " if character in "\n\t" else ""
    return character


_RIGHT_TO_LEFT = "\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\U00010800-\U00010fff\U0001e800-\U0001efff"
_RUN = re.compile(f"[{_RIGHT_TO_LEFT}](?:[^A-Za-z0-9]*[{_RIGHT_TO_LEFT}])*")
_RANGE, _BEFORE_NUMBER = re.compile(r"(?<=\d)-(?=\d)"), re.compile(r"(?<=[^\W\d_]) (?=\d)")
_ISOLATE, _END = "\u2068", "\u2069"


def isolated(text: str) -> str:
    r"""Isolate right-to-left words in cleaned text, so that they do not reorder adjacent numbers.

    Examples
    --------
    >>> [ascii(character) for character in isolated("\u05d0 64")][:3], isolated("Black 64 %")
    (["'\\u2068'", "'\\u05d0'", "'\\u2069'"], 'Black 64 %')
    """
    return _RUN.sub(lambda match: f"{_ISOLATE}{match[0]}{_END}", text)


def unbroken(text: str) -> str:
    r"""Keep ranges, and numbers with the word before them, on one line: browsers may break a line after any hyphen.

    Examples
    --------
    >>> ascii(unbroken("age 3-9"))
    "'age\\xa03-\\u20609'"
    """
    return _BEFORE_NUMBER.sub(_SPACE, _RANGE.sub("-\u2060", text))


def decimals(low: float, high: float) -> int:
    """Return how many decimals of a percentage an interval supports: two significant digits of its width.

    Examples
    --------
    >>> decimals(0.625, 0.799), decimals(0.231, 0.268), decimals(0.0, 0.0025)
    (0, 1, 2)
    """
    width = 100 * abs(high - low)
    if width == 0:
        return 1
    return min(max(1 - math.floor(math.log10(width)), 0), _MOST_DECIMALS)


def number(fraction: float, places: int, *, signed: bool = False) -> str:
    """Format a fraction in hundredths with a true minus sign; a number that rounds to zero has no sign.

    Examples
    --------
    >>> number(0.2556, 1), number(-0.02, 0), number(-0.0001, 1), number(0.02, 0, signed=True)
    ('25.6', '−2', '0.0', '+2')
    """
    text = f"{abs(100 * fraction):.{places}f}"
    if not text.strip("0."):
        return text
    return ("−" if fraction < 0 else "+" if signed else "") + text


def end(fraction: float, places: int, *, signed: bool = False) -> str:
    """Format an end of an interval in hundredths; one that is not 0 gets enough decimals not to read as 0.

    Examples
    --------
    >>> end(0.0024, 0), end(-0.00031, 1), end(0.16, 0), end(0.0, 1)
    ('0.2', '−0.03', '16', '0.0')
    """
    size = abs(100 * fraction)
    if size > _ROUNDING and not f"{size:.{places}f}".strip("0."):
        places = -math.floor(math.log10(size))
    return number(fraction, places, signed=signed)


def span(low: float, high: float, places: int, *, signed: bool = False) -> str:
    """Return an interval: ``[62, 80]``."""
    return f"[{end(low, places, signed=signed)},{_SPACE}{end(high, places, signed=signed)}]"


def percent(value: float | None, places: int = 0) -> str:
    """Format a share in percent; None becomes "not estimable"."""
    return NOT_ESTIMABLE if value is None else f"{number(value, places)}{_SPACE}%"


def rate(value: float | None, low: float | None, high: float | None, places: int | None = None) -> str:
    r"""Format a rate with its interval, in percent, with two significant digits of the interval's width.

    Examples
    --------
    >>> rate(0.72, 0.625, 0.799).replace("\xa0", " "), rate(None, None, None)
    ('72 % [62, 80]', 'not estimable')
    """
    if value is None or low is None or high is None:
        return NOT_ESTIMABLE
    places = decimals(low, high) if places is None else places
    return f"{percent(value, places)} {span(low, high, places)}"


def difference(value: float | None, low: float | None, high: float | None, places: int | None = None) -> str:
    r"""Format a signed difference with its interval, in percentage points.

    Examples
    --------
    >>> difference(-0.085, -0.1109, -0.0586).replace("\xa0", " ")
    '−8.5 [−11.1, −5.9]'
    """
    if value is None or low is None or high is None:
        return NOT_ESTIMABLE
    places = decimals(low, high) if places is None else places
    return f"{number(value, places, signed=True)} {span(low, high, places)}"


def factor(value: float, low: float, high: float) -> str:
    r"""Format a ratio with its interval, in three significant digits.

    Examples
    --------
    >>> factor(1.898, 1.53, 2.354).replace("\xa0", " "), factor(12.345, 4.0, 130.2).replace("\xa0", " ")
    ('1.9 [1.53, 2.35]', '12.3 [4, 130]')
    """
    return f"{_significant(value)} [{_significant(low)},{_SPACE}{_significant(high)}]"


def _significant(value: float) -> str:
    return decimal(value, max(0, 2 - math.floor(math.log10(value)))) if value > 0 else "0"


def level(alpha: float) -> str:
    """Format the level of an interval in percent, without rounding.

    Examples
    --------
    >>> level(0.05), level(0.001)
    ('95 %', '99.9 %')
    """
    return f"{100 * (1 - alpha):g} %"


def points(fraction: float, places: int = 0) -> str:
    r"""Format a size in percentage points, with its unit.

    Examples
    --------
    >>> points(0.05).replace("\xa0", " "), points(0.01).replace("\xa0", " ")
    ('5 points', '1 point')
    """
    text = number(fraction, places)
    return f"{text}{_SPACE}{'point' if text == '1' else 'points'}"


def exact_points(fraction: float) -> str:
    r"""Format a chosen size, such as a tolerance, without rounding.

    Examples
    --------
    >>> exact_points(0.05).replace("\xa0", " "), exact_points(0.025).replace("\xa0", " ")
    ('5 points', '2.5 points')
    """
    text = f"{round(100 * fraction, 6):g}"
    return f"{text}{_SPACE}{'point' if text == '1' else 'points'}"


def exact_tolerances(fraction: float, ratio: float | None) -> str:
    r"""Format a tolerance in points, and the one in ratio if there is one.

    Examples
    --------
    >>> exact_tolerances(0.05, 1.25).replace("\xa0", " "), exact_tolerances(0.05, None).replace("\xa0", " ")
    ('5 points and a factor of 1.25', '5 points')
    """
    return exact_points(fraction) if ratio is None else f"{exact_points(fraction)} and a factor of{_SPACE}{ratio:g}"


def times(value: float) -> str:
    """Format a factor in three significant digits.

    Examples
    --------
    >>> times(1.8987), times(19.949)
    ('1.9', '19.9')
    """
    return _significant(value)


def factor_bounds(low: float, high: float | None) -> str:
    """Say by what factors two numbers differ at least and at most.

    Examples
    --------
    >>> factor_bounds(12.96, 29.4), factor_bounds(1.0, None)
    ('at least 13, at most 29.4', 'at least 1, without an upper bound')
    """
    return f"at least {times(low)}, {'without an upper bound' if high is None else f'at most {times(high)}'}"


def p_value(p: float | None) -> str:
    r"""Format a p-value with two significant digits; never as 0.

    Examples
    --------
    >>> p_value(0.0001), p_value(0.0015), p_value(0.034), p_value(0.21), p_value(1.0)
    ('<\xa0.001', '.0015', '.034', '.21', '1')
    """
    if p is None:
        return NOT_ESTIMABLE
    if p < 0.001:
        return f"<{_SPACE}.001"
    text = f"{p:.{2 if p >= 0.1 else 1 - math.floor(math.log10(p))}f}"
    return "1" if float(text) == 1 else text.removeprefix("0")


def p_phrase(p: float, name: str = "p") -> str:
    """Return ``p < .001`` or ``p = .034``."""
    text = p_value(p)
    return f"{name}{_SPACE}{text}" if text.startswith("<") else f"{name}{_SPACE}={_SPACE}{text}"


def count(n: int) -> str:
    """Format a count with separators: ``10,954``."""
    return f"{n:,}"


def in_words(n: int, noun: str, plural: str | None = None) -> str:
    """Return a count with its noun.

    Examples
    --------
    >>> in_words(1, "group"), in_words(1200, "image")
    ('1 group', '1,200 images')
    """
    return f"{n:,} {noun if n == 1 else plural or noun + 's'}"


def decimal(value: float | None, places: int = 3) -> str:
    """Format a plain number, such as a logit scale or a chi-square; one that rounds to zero has no sign.

    Examples
    --------
    >>> decimal(1234.5), decimal(-0.25, 2), decimal(-0.0004)
    ('1,234.5', '−0.25', '0')
    """
    if value is None:
        return NOT_ESTIMABLE
    text = f"{value:,.{places}f}".replace("-", "−")
    short = text.rstrip("0").rstrip(".") if "." in text else text
    return short.removeprefix("−") if short == "−0" else short


def short_hashes(texts: Sequence[str]) -> str:
    """Return the model hashes for the running header of a page: hexadecimal digits, spaces, and how many more there are.

    Examples
    --------
    >>> short_hashes(["9c41d2aa7e03b7b7", "1"]), short_hashes(["1", "2", "3", "4", "5"])
    ('9c41d2aa7e03 1', '1 2 3 +2')
    """
    shown = texts if len(texts) <= _MOST_HASHES else texts[: _MOST_HASHES - 1]
    more = [f"+{len(texts) - len(shown)}"] if len(shown) < len(texts) else []
    return " ".join([*map(short_hash, shown), *more])


def short_hash(text: str) -> str:
    """Return the first twelve lower-case hexadecimal digits of a hash; any other characters are dropped.

    Examples
    --------
    >>> short_hash("9c41d2aa7e03b7b7"), short_hash("`} x: 1")
    ('9c41d2aa7e03', '1')
    """
    return "".join(character for character in text if character in "0123456789abcdef")[:12]


def upper_first(text: str) -> str:
    """Capitalize the first character only."""
    return text[:1].upper() + text[1:]


def lower_first(text: str) -> str:
    """Make the first character lower-case."""
    return text[:1].lower() + text[1:]
