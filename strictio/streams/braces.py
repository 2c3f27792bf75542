"""Braces in the names of files, as in bash: ``{000000..000127}.tar``, ``{a,b}.tar``, one within another.

Braces that bash leaves unchanged (``{a}``, an unmatched brace) are an error.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from strictio.errors import UsageError

MOST = 100_000
"""Names that one text may stand for."""
_NUMBERS = re.compile(r"(-?[0-9]{1,18})\.\.(-?[0-9]{1,18})(?:\.\.(-?[0-9]{1,18}))?")
_LETTERS = re.compile(r"(?:([a-z])\.\.([a-z])|([A-Z])\.\.([A-Z]))(?:\.\.(-?[0-9]{1,18}))?")


def expanded_names(text: str) -> list[str]:
    """Return the names that a text stands for, in bash's order; itself where it has no braces. UsageError for braces that mean nothing.

    Examples
    --------
    >>> expanded_names("shard-{08..10}.tar"), expanded_names("{test,val}/{0..1}.tar")
    (['shard-08.tar', 'shard-09.tar', 'shard-10.tar'], ['test/0.tar', 'test/1.tar', 'val/0.tar', 'val/1.tar'])
    """
    try:
        names, _ = _Expansion(text).concatenation(0, inside=False)
    except RecursionError as error:
        raise _malformed(text) from error
    return names


class _Expansion:
    """One text, read from left to right."""

    def __init__(self, text: str):
        self._text = text

    def concatenation(self, at: int, *, inside: bool) -> tuple[list[str], int]:
        """Expand the text from `at` to its end (`inside` braces: to the next comma or closing brace); return the names and that place."""
        names = [""]
        while at < len(self._text) and not (inside and self._text[at] in ",}"):
            if self._text[at] == "{":
                parts, at = self._braces(at + 1)
            elif self._text[at] == "}":
                raise _malformed(self._text)
            else:
                plain = re.compile(r"[^{},]+" if inside else "[^{}]+").match(self._text, at)
                assert plain is not None  # noqa: S101  # a plain character comes first
                parts, at = [plain[0]], plain.end()
            self._check(len(names) * len(parts))
            names = [name + part for name in names for part in parts]
        return names, at

    def _braces(self, start: int) -> tuple[list[str], int]:
        """Expand a pair of braces whose content begins at `start`; return the names and the position after it."""
        names, at = self.concatenation(start, inside=True)
        several = False
        while self._text[at : at + 1] == ",":
            more, at = self.concatenation(at + 1, inside=True)
            names, several = [*names, *more], True
            self._check(len(names))
        if at == len(self._text):
            raise _malformed(self._text)
        return names if several else self._range(self._text[start:at]), at + 1

    def _range(self, content: str) -> list[str]:
        if found := _NUMBERS.fullmatch(content):
            padded = any(re.match("-?0[0-9]", end) for end in found.groups()[:2])
            width = max(map(len, found.groups()[:2])) if padded else 0
            return [f"{number:0{width}d}" for number in self._steps(*map(int, found.groups(default="1")))]
        if found := _LETTERS.fullmatch(content):
            first, last = (ord(end) for end in found.groups()[:4] if end)
            return list(map(chr, self._steps(first, last, int(found[5] or "1"))))
        raise _malformed(self._text)

    def _steps(self, first: int, last: int, step: int) -> Sequence[int]:
        """Return the numbers from one to the other, up or down; bash reads a step of 0 as 1, and ignores its sign."""
        stride = abs(step) or 1
        numbers = range(first, last + 1, stride) if first <= last else range(first, last - 1, -stride)
        self._check(len(numbers))
        return numbers

    def _check(self, count: int) -> None:
        if count > MOST:
            raise UsageError(f"{self._text!r} stands for more than {MOST:,} files", fix="name fewer")


def _malformed(text: str) -> UsageError:
    return UsageError(f"malformed braces in {text!r}", fix="write {000000..000127}.tar, or {a,b}.tar")
