"""Groups and weights of training pairs, from columns of their source or from their names, and how often each pair is drawn."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from contrastive.config import Config, DataConfig
from contrastive.data.order import Sampling
from contrastive.data.raking import raked
from contrastive.data.source import PART, CaptionedImages, TrainingDataError, column_values, hash_of, printable
from strictio.errors import UsageError, nearest

NO_VALUE = "(none)"
"""The group of pairs without a value."""
_LISTED = 12
"""Number of groups listed in the data card; of more, only the smallest and the largest."""


@dataclass(frozen=True)
class Groups:
    """The groups of n pairs."""

    columns: tuple[str, ...]
    names: tuple[str, ...]
    """Groups with at least one pair, sorted."""
    group_n: NDArray[np.int64]
    """Index in `names` of each pair."""

    @classmethod
    def of(cls, columns: Sequence[str], values: Sequence[Sequence[str]]) -> Groups:
        """Return the groups by the values of one or more columns.

        >>> groups = Groups.of(["gender", "tone"], [["woman", "man", ""], ["dark", "light", ""]])
        >>> groups.names, groups.group_n.tolist()
        (('(none) × (none)', 'man × light', 'woman × dark'), [2, 1, 0])
        """
        rows = list(zip(*values, strict=True))
        known = sorted(set(rows))
        number = {row: index for index, row in enumerate(known)}
        names = (" × ".join(value or NO_VALUE for value in row) for row in known)
        return cls(tuple(columns), tuple(names), np.array([number[row] for row in rows], np.int64))

    def of_rows(self, rows: NDArray[np.int64]) -> Groups:
        """Return the groups of some of the pairs."""
        present, group_n = np.unique(self.group_n[rows], return_inverse=True)
        return Groups(self.columns, tuple(self.names[group] for group in present), group_n)

    @property
    def counts(self) -> NDArray[np.int64]:
        """Number of pairs of each group."""
        return np.bincount(self.group_n, minlength=len(self.names))

    @property
    def sentence(self) -> str:
        """A list of the groups and their numbers of pairs.

        >>> Groups(("gender",), ("man", "woman"), np.array([0, 1, 1])).sentence
        'the 2 groups of gender (man 1, woman 2)'
        """
        counted = [f"{printable(name)} {count:,}" for name, count in zip(self.names, self.counts.tolist(), strict=True)]
        if len(counted) > _LISTED:
            order = np.argsort(self.counts, kind="stable")
            counted = [f"smallest {counted[order[0]]}", f"largest {counted[order[-1]]}"]
        groups = f"the {len(self.names)} groups" if len(self.names) > 1 else "the only group"
        return f"{groups} of {' × '.join(map(printable, self.columns))} ({', '.join(counted)})"


def read_groups(source: CaptionedImages, data: DataConfig) -> Groups | None:
    """Return the groups of all pairs; None without ``data.groups``. Raises `TrainingDataError` if a column is unknown or empty."""
    if not data.groups:
        return None
    values = column_values(source, data.groups, data.group_pattern)
    for name, column in zip(data.groups, values, strict=True):
        if not any(column):
            fix = "look at data.group_pattern and at the names of the pairs" if _in_pattern(name, data) else "name another column"
            why = f"the first pair is {printable(source.name(0))}"
            raise TrainingDataError(f"no pair has a value of {name[:80]!r}, which data.groups names", why=why, fix=fix)
    return Groups.of(data.groups, values)


def read_weights(source: CaptionedImages, data: DataConfig) -> NDArray[np.float64] | None:
    """Return the weights of all pairs; None without ``data.weight``.

    Raises `TrainingDataError` if the column is unknown, or a weight is missing, negative or not a finite number.
    """
    if data.weight is None:
        return None
    [column] = column_values(source, (data.weight,), data.group_pattern)
    weight_n = np.array([_number(cell) for cell in column])
    wrong = np.flatnonzero(~((weight_n >= 0) & np.isfinite(weight_n)))
    if len(wrong):
        first = int(wrong[0])
        where = f"pair {first + 1}, {printable(source.name(first))}"
        more = f"; {len(wrong) - 1} more" if len(wrong) > 1 else ""
        why = f"{data.weight[:80]!r} is {printable(column[first])!r}{more}" if column[first] else f"it has no {data.weight[:80]!r}{more}"
        fix = "give every pair a number of at least 0; 0 leaves a pair out"
        raise TrainingDataError("a weight is not a number of at least 0", where=where, why=why, fix=fix)
    return weight_n


def read_factors(source: CaptionedImages, data: DataConfig) -> NDArray[np.float64] | None:
    """Return the factor of ``data.upsampling`` for each pair; None without. Raises `UsageError` if it does not fit the shards."""
    if not data.upsampling:
        return None
    values = column_values(source, (PART,)) if data.train.partition("?")[0].endswith((".tar", "}")) else [[]]
    part_n = np.array([int(value) for value in values[0]], np.int64)
    parts = data.train.count("::") + 1
    if not len(part_n) or len(data.upsampling) != parts:
        why = f"data.upsampling has {len(data.upsampling)} factors, data.train {parts} names of tar shards" if len(part_n) else None
        fix = 'for example data.train="a/{000..003}.tar::b/{000..009}.tar" data.upsampling="[1.0, 3.0]"'
        raise UsageError("data.upsampling needs a factor for each of several names of tar shards", why=why, fix=fix)
    return np.array(data.upsampling, np.float64)[part_n]


def _in_pattern(name: str, data: DataConfig) -> bool:
    return data.group_pattern is not None and name in re.compile(data.group_pattern).groupindex


def _number(cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        return math.nan


@dataclass(frozen=True)
class Grouping:
    """Groups and weights of n training pairs, as far as the settings name them, and how often each pair is drawn."""

    config: Config
    groups: Groups | None = None
    weight_n: NDArray[np.float64] | None = None
    within: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Columns of ``data.balance_within``."""
    factor_n: NDArray[np.float64] | None = None
    """Factor of ``data.upsampling`` for each pair."""
    pairs: int = 0
    """n."""

    @cached_property
    def sampling(self) -> Sampling | None:
        """How often each pair is drawn; None: once per epoch. Raises `TrainingDataError` if all weights are 0, or like `raked`."""
        optim, of_groups = self.config.optim, None if self.groups is None else self.groups.group_n
        if optim.sampling == "balanced" and of_groups is not None:
            return Sampling.balanced(of_groups, optim.epoch_draws)
        if self.weight_n is not None and not self.weight_n.any():
            what = f"all weights of training pairs are 0 in the column {self.config.data.weight!r}"
            raise TrainingDataError(what, why="0 leaves a pair out", fix="give some a weight above 0")
        weight_n = self._target_weights() if optim.target_shares else self.weight_n
        if self.factor_n is not None:
            weight_n = self.factor_n if weight_n is None else weight_n * self.factor_n
            if not weight_n.any():
                raise TrainingDataError("all training pairs have the weight or the factor 0", fix="give some a factor above 0")
        resampled = optim.sampling == "resampled"
        if weight_n is None and (resampled or optim.epoch_draws not in (0, self.pairs)):
            weight_n = np.ones(self.pairs)
        return None if weight_n is None else Sampling.weighted(weight_n, of_groups, optim.epoch_draws, resampled)

    def _target_weights(self) -> NDArray[np.float64] | None:
        """Return weights that give groups their target shares."""
        shares, groups = self.config.optim.target_shares, self.groups
        if groups is None:
            return None
        weight_n = np.ones(len(groups.group_n)) if self.weight_n is None else self.weight_n
        mass = dict(zip(groups.names, np.bincount(groups.group_n, weight_n), strict=True))
        for name, share in shares.items():
            if not mass.get(name) and (share or name not in mass):
                why = None if name not in mass else "their weights are 0"
                fix = nearest(name[:80], map(printable, groups.names))
                raise UsageError(f"optim.target_shares names the group {name[:80]!r}, which has no training pairs", why=why, fix=fix)
        number = {name: index for index, name in enumerate(shares)}
        target_n = np.array([number.get(name, -1) for name in groups.names])[groups.group_n]
        return raked(weight_n, target_n, np.array([*shares.values()]) / sum(shares.values()), self.within)

    @cached_property
    def loss_weight_g(self) -> NDArray[np.float64] | None:
        """Weight of the loss of each group's pairs, 1 on average over an epoch's draws; None: all are 1.

        Raises `UsageError` if ``optim.loss_weights`` names a group without training pairs, or all weights are 0.
        """
        table, groups = self.config.optim.loss_weights, self.groups
        if not table or groups is None:
            return None
        for name in table:
            if name not in groups.names:
                fix = nearest(name[:80], map(printable, groups.names))
                raise UsageError(f"optim.loss_weights names the group {name[:80]!r}, which has no training pairs", fix=fix)
        weight_g = np.array([table.get(name, 1.0) for name in groups.names])
        draws_n = None if self.sampling is None else self.sampling.expected_n
        mean = float(np.average(weight_g, weights=np.bincount(groups.group_n, draws_n, len(weight_g))))
        if not mean:
            raise UsageError("optim.loss_weights gives every group the weight 0", fix="give one a weight above 0")
        return weight_g / mean

    @cached_property
    def identity(self) -> dict[str, str]:
        """The hash of the groups and weights, by its name among the facts that a resumed run must share; empty without any."""
        groups = () if self.groups is None else (*self.groups.names, self.groups.group_n.tobytes().hex())
        weights = () if self.weight_n is None else (self.weight_n.tobytes().hex(),)
        within = (text for name, values in self.within.items() for text in (name, *values))
        return {"the groups and weights (sha256)": hash_of(*groups, *weights, *within)} if groups or weights else {}

    @property
    def sentences(self) -> tuple[str, ...]:
        """Sentences for the data card: how pairs were drawn and weighted, and whether a batch holds copies of a pair."""
        drawn, weighted = self._drawn(), self._weighted()
        of_groups = (f"Its pairs are of {self.groups.sentence}.",) if self.groups and (drawn or weighted) else ()
        return (*drawn, *weighted, *of_groups, *self._copies(), *self.warnings)

    def _drawn(self) -> tuple[str, ...]:
        if self.sampling is None:
            return ()
        optim, data = self.config.optim, self.config.data
        if optim.sampling == "balanced":
            how = "Training drew every group equally often, and within a group every pair equally often"
        else:
            column = f" in proportion to the weights in the column {printable(data.weight)}" if data.weight else ""
            again = " with replacement" if self.sampling.replacement else ""
            how = f"Training drew pairs{again}{column}{self._target_words()}"
        if data.upsampling:
            how = f"{how}, with the factors {', '.join(f'{factor:g}' for factor in data.upsampling)} for the sets of shards in their order"
        if optim.epoch_draws:
            how = f"{how}; an epoch had {optim.epoch_draws:,} draws"
        never = int((self.sampling.expected_n == 0).sum())
        return (f"{how}{f'; {never:,} with weight 0 were never drawn' if never else ''}.",)

    def _target_words(self) -> str:
        shares = self.config.optim.target_shares
        if not shares:
            return ""
        named = _listed([f"{printable(name)} {share:g}" for name, share in shares.items()])
        within = f", and within each value of {' and '.join(map(printable, self.within))}" if self.within else ""
        return f" with weights that give groups these shares of their draws: {named}{within}"

    def _weighted(self) -> tuple[str, ...]:
        optim = self.config.optim
        if optim.objective == "group_dro":
            return (f"Its loss gave the groups with the largest losses more weight (group DRO, rate {optim.dro_rate:g}).",)
        if not optim.loss_weights:
            return ()
        named = _listed([f"{printable(name)} {weight:g}" for name, weight in optim.loss_weights.items()])
        return (f"Its loss weighted the pairs by group: {named}; 1 otherwise.",)

    def _copies(self) -> tuple[str, ...]:
        most = 1.0 if self.sampling is None else float(self.sampling.expected_n.max())
        if self.sampling is not None and self.sampling.replacement:
            return (f"A pair was drawn up to {most:.3g} times per epoch on average.",) if most > 1 + 1e-9 else ()
        return (f"A pair was drawn up to {math.ceil(most - 1e-9)} times per epoch.",) if most > 1 + 1e-9 else ()

    @property
    def warnings(self) -> tuple[str, ...]:
        """A sentence if batches hold copies of a pair, on average."""
        if self.sampling is None:
            return ()
        copies = float(self.sampling.expected_n.max()) * self.config.data.batch / self.sampling.draws
        if copies <= 1:
            return ()
        how = f"A batch of {self.config.data.batch} holds up to {copies:.2g} copies of a pair on average"
        return (f"{how}: the loss counts them as wrong answers for each other.",)


def _listed(items: Sequence[str]) -> str:
    return ", ".join([*items[:_LISTED], *([f"{len(items) - _LISTED} more"] if len(items) > _LISTED else [])])


def read_grouping(source: CaptionedImages, config: Config, rows: NDArray[np.int64]) -> Grouping:
    """Return groups and weights of the training pairs in `rows` of a source. Raises like its methods."""
    groups, weight_n = read_groups(source, config.data), read_weights(source, config.data)
    names = config.data.balance_within
    values = column_values(source, names, config.data.group_pattern) if names else []
    within = {name: [column[row] for row in rows.tolist()] for name, column in zip(names, values, strict=True)}
    factors = read_factors(source, config.data)
    weights, factor_n = (None if values is None else values[rows] for values in (weight_n, factors))
    grouping = Grouping(config, groups and groups.of_rows(rows), weights, within, factor_n, len(rows))
    _ = grouping.sampling, grouping.loss_weight_g  # raise before the first step
    return grouping
