"""What agrees: every number of a file is compared with its recomputation, and the rest is listed as not recomputable."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Path = tuple[str | int, ...]
Kind = Literal["verified", "differs", "within Monte-Carlo error", "not recomputable"]
CLOSE = 1e-9
"""Numbers that differ by less, absolutely or relative to the larger, agree: rounding, and the precision to which limits are solved."""
ERRORS = 5.0
"""Standard errors by which a number from other random draws may differ: one in two million by chance."""


@dataclass(frozen=True)
class Drawn:
    """A number from random draws."""

    value: float
    error: float
    """Standard error of the difference between two runs; 0: the recorded stream of random numbers was repeated."""

    def allows(self, recorded: object) -> bool:
        """Whether another run may have given this number."""
        return bool(self.error) and _number(recorded) and abs(_float(recorded) - self.value) <= ERRORS * self.error + CLOSE


def drawn(p: float, recorded: int, ours: int | None = None, *, repeated: bool) -> Drawn:
    """A p from draws, the recorded one from so many and this from `ours`; `repeated`: it is exact, or from the recorded stream."""
    ours = recorded if ours is None else ours
    likely = min(max(p, 1 / (ours + 1)), 1 - 1 / (ours + 1))
    return Drawn(p, 0.0 if repeated else (likely * (1 - likely) * (1 / recorded + 1 / ours)) ** 0.5)


@dataclass(frozen=True)
class Difference:
    """A recorded value that is not what the answers give."""

    path: Path
    recorded: object
    computed: object

    def __str__(self) -> str:
        return f"{text_of(self.path)}: recorded {shown(self.recorded)}, recomputed {shown(self.computed)}"


@dataclass
class Ledger:
    """The outcome for every leaf of a file."""

    verified: set[Path] = field(default_factory=set)
    drawn: set[Path] = field(default_factory=set)
    """Within Monte-Carlo error."""
    differences: list[Difference] = field(default_factory=list)

    def compare(self, path: Path, recorded: object, computed: object) -> bool:
        """Compare a recorded value with the recomputed one, field by field; return whether they agree.

        A recomputed mapping may have only some of the recorded fields. The others, such as a note in words, stay unchecked.
        """
        if isinstance(computed, Mapping):
            if not isinstance(recorded, Mapping):
                return self._differs(path, recorded, dict(computed))
            agree = [self.compare((*path, name), recorded.get(name, "missing"), value) for name, value in computed.items()]
            return all(agree)
        if isinstance(computed, list | tuple):
            if not isinstance(recorded, Sequence) or isinstance(recorded, str) or len(recorded) != len(computed):
                return self._differs(path, recorded, list(computed))
            agree = [self.compare((*path, at), *both) for at, both in enumerate(zip(recorded, computed, strict=True))]
            return all(agree)
        if _equal(recorded, computed):
            self.verified.add(path)
            return True
        if isinstance(computed, Drawn) and computed.allows(recorded):
            self.drawn.add(path)
            return True
        return self._differs(path, recorded, computed)

    def _differs(self, path: Path, recorded: object, computed: object) -> bool:
        if all(difference.path != path for difference in self.differences):
            self.differences.append(Difference(path, recorded, computed))
        return False


def unchecked(recorded: object, *ledgers: Ledger) -> list[Path]:
    """The leaves of a file that are in no ledger."""
    checked = {path for one in ledgers for path in (*one.verified, *one.drawn, *(difference.path for difference in one.differences))}
    return [path for path in leaves(recorded) if not any(path[:end] in checked for end in range(len(path) + 1))]


def by_field(paths: Iterable[Path]) -> Counter[str]:
    """How many leaves there are of each field."""
    return Counter(map(_field, paths))


def leaves(value: object, path: Path = ()) -> Iterator[Path]:
    """Yield the path of every number, text and truth value; of an empty list or mapping nothing, as it states nothing."""
    if isinstance(value, Mapping):
        for name, below in value.items():
            yield from leaves(below, (*path, name))
    elif isinstance(value, list | tuple):
        for at, below in enumerate(value):
            yield from leaves(below, (*path, at))
    elif value is not None:
        yield path


def text_of(path: Path) -> str:
    """A path as it is written in Python or JavaScript, without the quotation marks.

    >>> text_of(("audits", 0, "verdict"))
    'audits[0].verdict'
    """
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".")


def shown(value: object) -> str:
    """A value for a terminal: short, in ASCII, without control characters."""
    inner = value.value if isinstance(value, Drawn) else value
    text = f"{inner:.12g}" if isinstance(inner, float) else ascii(inner)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _field(path: Path) -> str:
    """The name under which unchecked leaves are counted: the first fields without positions, one more inside audits and findings."""
    names = [str(part) for part in path if isinstance(part, str)]
    deep = 3 if names[:2] == ["audits", "findings"] else 2
    return ".".join(names[:deep])


def _equal(recorded: object, computed: object) -> bool:
    computed = computed.value if isinstance(computed, Drawn) else computed
    if _number(recorded) and _number(computed):
        one, other = _float(recorded), _float(computed)
        return one == other or abs(one - other) <= CLOSE * max(1.0, abs(one), abs(other))
    return type(recorded) is type(computed) and recorded == computed


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _float(value: Any) -> float:
    return float(value)
