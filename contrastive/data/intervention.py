"""An intervention: a share of the captions is changed on purpose, so that audits of the models show what the change causes.

The pairs that can be changed are put in an order that depends on the seed alone, and the first of them are changed. So the pairs changed
at a share of 0.25 are among those changed at 0.5.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from contrastive.data.order import stream
from contrastive.data.source import CaptionedImages, column_values, hash_of, printable, unplanted_removed
from contrastive.settings import InterventionConfig, LeaveOutConfig
from strictio.errors import UsageError, nearest


@dataclass(frozen=True)
class ChangedCaptions:
    """Captioned images, of which some have other captions or are left out."""

    source: CaptionedImages
    intervention: InterventionConfig
    eligible: int
    """Number of pairs that the intervention could change."""
    replaced: Mapping[int, tuple[str, ...]]
    """Row of `source` -> its captions instead of its own; none where it is left out."""
    sentence: str | None = None
    """What the data card says of the change; None: as for an intervention."""

    @cached_property
    def rows(self) -> Sequence[int]:
        """The rows of `source` that are left."""
        whole = range(len(self.source))
        return [row for row in whole if row not in self.replaced] if self.intervention.kind == "withhold" else whole

    @property
    def card(self) -> str:
        return f"{unplanted_removed(self.source.card)} {self.sentence or _sentence(self)}"

    @cached_property
    def identity(self) -> str:
        changes = (f"{row} {captions}" for row, captions in self.replaced.items())
        return hash_of(self.source.identity, self.intervention.kind, *changes)

    @property
    def pictures(self) -> int | None:
        """Number of different pictures, if known."""
        return None if self.intervention.kind == "withhold" else getattr(self.source, "pictures", None)

    @property
    def caption_unit(self) -> str | None:
        """How text files were read; None: the captions are from elsewhere."""
        return getattr(self.source, "caption_unit", None)

    def __len__(self) -> int:
        return len(self.rows)

    def name(self, index: int) -> str:
        return self.source.name(self.rows[index])

    def image(self, index: int) -> Image.Image:
        return self.source.image(self.rows[index])

    def content(self, index: int) -> bytes:
        return self.source.content(self.rows[index])

    def captions(self, index: int) -> tuple[str, ...]:
        row = self.rows[index]
        return self.replaced[row] if row in self.replaced else self.source.captions(row)

    def columns(self, names: Sequence[str]) -> dict[str, list[str]]:
        values = column_values(self.source, names)
        return {name: [column[row] for row in self.rows] for name, column in zip(names, values, strict=True)}


def intervene(source: CaptionedImages, intervention: InterventionConfig, setting: str = "data.intervention") -> ChangedCaptions:
    """Change the captions of a share of the eligible pairs, as the `setting` of that name demands.

    Raises `UsageError` if none is eligible, `TrainingDataError` if a column is missing.

    A pair is eligible if it has one of the values of each column in ``where``, and the change would make a difference to it.
    """
    [texts] = column_values(source, [intervention.column]) if intervention.column else [()]
    rows = np.flatnonzero(chosen_pairs(source, intervention.where)).tolist()
    captions = {row: new for row in rows if (new := _changed(source, intervention, row, texts)) is not None}
    if not captions:
        fix = f"compare the values and words of {setting} with the data"
        raise UsageError(f"{setting} changes nothing", why="no pair has these values and words", fix=fix)
    eligible = np.array(list(captions))
    order = stream(intervention.seed, "intervention").permutation(len(eligible))
    drawn = sorted(eligible[order[: int(intervention.share * len(eligible) + 0.5)]].tolist())
    if intervention.kind == "withhold" and len(drawn) == len(source):
        raise UsageError("data.intervention withholds all pairs", fix="name some with data.intervention.where, or set a smaller share")
    return ChangedCaptions(source, intervention, len(eligible), {row: captions[row] for row in drawn})


def completed(own: InterventionConfig, planted: InterventionConfig) -> InterventionConfig:
    """Return `own` with the words and columns of a planted bias where it leaves them out."""
    return replace(own, where={**planted.where, **own.where}, words=own.words or planted.words)


def renamed(caption: str, words: Mapping[str, str]) -> str:
    """Replace whole words, all at once, so that two can be swapped; of two that match, the longer.

    >>> renamed("woman police officer", {"woman": "man", "man": "woman", "woman police officer": "judge"})
    'judge'
    >>> renamed("woman and man, womanly", {"woman": "man", "man": "woman"})
    'man and woman, womanly'
    """
    return _whole_words(words).sub(lambda match: words[match[0]], caption)


def _whole_words(words: Iterable[str]) -> re.Pattern[str]:
    longest_first = sorted(words, key=len, reverse=True)
    return re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, longest_first))})(?!\w)")


def chosen_pairs(
    source: CaptionedImages, where: Mapping[str, str | list[str]], words: Sequence[str] = (), setting: str = "data.intervention"
) -> NDArray[np.bool_]:
    """Return which pairs have one of the values in each column and, if there are words, one of them in a caption.

    Raises `UsageError` if no pair has a value or word; `TrainingDataError` if a column is missing.
    """
    fits = np.ones(len(source), bool)
    for name, values in where.items():
        wanted = {values} if isinstance(values, str) else set(values)
        [column] = column_values(source, [name])
        if not wanted & set(column):
            known = sorted(set(column) - {""})
            fix = nearest(min(wanted, default=""), known)
            raise UsageError(f"{setting}.where.{name}: no pair has such a value", why=_listed(wanted), fix=fix)
        fits &= np.array([value in wanted for value in column])
    if words:
        pattern = _whole_words(words)
        for row in np.flatnonzero(fits).tolist():
            fits[row] = any(map(pattern.search, source.captions(row)))
    return fits


def pairs_of(source: CaptionedImages, group: LeaveOutConfig, setting: str = "data.leave_out") -> NDArray[np.bool_]:
    """Return which pairs belong to a group; raises like `chosen_pairs`, and `UsageError` if none does."""
    chosen = chosen_pairs(source, group.where, group.words, setting)
    if not chosen.any():
        why = f"no pair has {describe_pairs(group.where, group.words)}"
        raise UsageError(f"{setting} fits no pair", why=why, fix="compare its values and words with the data")
    return chosen


def describe_pairs(where: Mapping[str, str | list[str]], words: Sequence[str] = ()) -> str:
    """Name the pairs with some values and words.

    >>> describe_pairs({"gender": "woman", "role": ["judge", "cook"]}, ["flag"])
    'gender woman and role cook or judge and one of the words flag'
    """
    columns = [f"{name} {_listed([values] if isinstance(values, str) else values)}" for name, values in where.items()]
    return printable(" and ".join([*columns, *([f"one of the words {_listed(words)}"] if words else [])]))


def _changed(source: CaptionedImages, intervention: InterventionConfig, row: int, texts: Sequence[str]) -> tuple[str, ...] | None:
    """Return the captions of a pair after the change; None if it makes no difference."""
    if intervention.kind == "withhold":
        return ()
    before = source.captions(row)
    if intervention.kind == "relabel":
        text = texts[row]
        return (text,) if text.strip() and before != (text,) else None
    after = tuple(renamed(caption, intervention.words) for caption in before)
    if after == before:
        return None
    return (*after, *before) if intervention.kind == "add" else after


def _sentence(changed: ChangedCaptions) -> str:
    intervention = changed.intervention
    whose = describe_pairs(intervention.where)
    who = f"{changed.eligible} pairs{f' with {whose}' if whose else ''}"
    pairs = [f"“{old}” became “{new}”" for old, new in list(intervention.words.items())[:2]]
    words = f" ({', '.join([*pairs, *(['and so on'] if len(intervention.words) > 2 else [])])})"
    what = {
        "rename": f"were renamed{words}",
        "add": f"have a renamed caption{words} besides their own",
        "relabel": f"have the text of the column {intervention.column} as their caption",
        "withhold": "were left out",
    }[intervention.kind]
    drawn = f", drawn at random with seed {intervention.seed}," if 0 < len(changed.replaced) < changed.eligible else ""
    return f"Changed on purpose: {len(changed.replaced)} of the {who}{drawn} {what}. All other captions are unchanged."


def _listed(values: Sequence[str] | set[str]) -> str:
    """Name the values, or count them if there are many.

    >>> _listed(["woman"]), _listed(["b", "a"]), _listed([str(n) for n in range(33)])
    ('woman', 'a or b', '(one of 33 values)')
    """
    return " or ".join(sorted(values)) if len(values) <= 3 else f"(one of {len(values)} values)"
