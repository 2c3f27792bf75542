"""Parts of a data set, and the receipts that they leave beside the embeddings: from these an audit names the missing parts.

An image belongs to a part by the hash of its identifier, so that any number of machines share the work without communication.
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from audit.embedding.cache import CacheRoot, MemoryRoot, default_root
from audit.embedding.folders import LocalFolder, SharedFolder, SharedRoot
from audit.embedding.shard import Rejected
from audit.errors import MachineError
from audit.types import Dataset, Exclusion, ModelRecord

if TYPE_CHECKING:
    from jaxtyping import Shaped

log = logging.getLogger("audit")
FOLDER = "receipts"
VERSION = 1


@dataclass(frozen=True)
class Part:
    """Part `number` of `of`, counted from 1."""

    number: int
    of: int

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse a part such as ``2/7``; raises ValueError for anything else.

        Examples
        --------
        >>> Part.parse("2/7")
        Part(number=2, of=7)
        """
        match = re.fullmatch(r"(\d{1,9})/(\d{1,9})", text)
        if match is None or not 1 <= int(match[1]) <= int(match[2]):
            raise ValueError("i/N with 1 ≤ i ≤ N, such as 2/7")
        return cls(int(match[1]), int(match[2]))

    def rows(self, identifiers: Iterable[object]) -> Shaped[np.ndarray, "m"]:
        """Positions of the images in this part, in order."""
        numbers = numbers_of(identifiers)
        return np.flatnonzero(numbers % np.uint64(self.of) == self.number - 1)


WHOLE = Part(1, 1)


def numbers_of(identifiers: Iterable[object]) -> Shaped[np.ndarray, "n"]:
    """A number (uint64) for each identifier that depends on nothing else: the first 8 bytes of its sha256."""
    heads = b"".join(hashlib.sha256(str(identifier).encode("utf-8", "surrogatepass")).digest()[:8] for identifier in identifiers)
    return np.frombuffer(heads, dtype=">u8").astype(np.uint64)


@dataclass(frozen=True)
class Receipt:
    """What one part embedded. Strings and numbers only; no local paths."""

    model: str
    data: str
    data_fingerprint: str
    part: int
    of: int
    rows: int
    """Images in the part."""
    embedded: int
    """Those of them whose embedding is in the cache."""
    computed: int
    """Those of them that the model processed in that run."""
    exclusions: tuple[Mapping[str, Any], ...] = field(default=())
    """Reason, count, and the count by attribute and level, of unreadable images."""
    version: int = VERSION

    @property
    def name(self) -> str:
        """The name of its file: equal for the same part of the same data."""
        return f"{self.data_fingerprint[:32]}-{self.part}-of-{self.of}.json"


def excluded(exclusions: Iterable[Exclusion]) -> tuple[Mapping[str, Any], ...]:
    """Exclusions in the form of a receipt."""
    return tuple({"reason": str(exclusion.reason), "count": exclusion.count, "by_group": exclusion.by_group} for exclusion in exclusions)


def leave(receipt: Receipt, root: CacheRoot, record: ModelRecord) -> None:
    """Write a receipt beside the embeddings of its model, replacing an earlier one of the same part; raises MachineError if that fails."""
    folder = _folder(root, record)
    if folder is None:
        return
    try:
        folder.write(receipt.name, json.dumps(asdict(receipt), sort_keys=True, indent=1).encode() + b"\n")
    except OSError as error:
        what = f"the receipt of part {receipt.part}/{receipt.of} cannot be written"
        raise MachineError(what, why=error.strerror or str(error), fix="run the part again: what it embedded is kept") from error


def found(root: CacheRoot, record: ModelRecord, data_fingerprint: str) -> list[Receipt]:
    """The receipts about a data set: none if a shared cache cannot be reached; damaged and other files are skipped."""
    folder, receipts = _folder(root, record), []
    try:
        for name in folder.names(f"{data_fingerprint[:32]}-*-of-*.json") if folder is not None else ():
            receipt = _parsed(folder.read(name)) if folder is not None else None
            if receipt is not None and receipt.name == name and receipt.data_fingerprint == data_fingerprint:
                receipts.append(receipt)
    except (OSError, Rejected) as error:
        log.debug("receipts cannot be read: %s", error)
    return receipts


def _folder(root: CacheRoot, record: ModelRecord) -> LocalFolder | SharedFolder | None:
    names = record.fingerprint[:32], FOLDER
    if isinstance(root, MemoryRoot):
        return None
    root = default_root() if root is None else root
    return root.folder(*names) if isinstance(root, SharedRoot) else LocalFolder(root, *names)


def _parsed(content: bytes) -> Receipt | None:
    try:
        fields = json.loads(content)
        receipt = Receipt(**{**fields, "exclusions": tuple(fields["exclusions"])})
        Part.parse(f"{receipt.part}/{receipt.of}")
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    return receipt if receipt.version == VERSION else None


def missing_parts(dataset: Dataset, receipts: Sequence[Receipt]) -> list[tuple[Part, int]]:
    """The parts without a receipt, each with its number of images that no other receipt covers; empty if all are covered.

    The number of parts may have changed: an image is covered by any receipt whose part contains it. Parts are numbered with the largest
    number of parts in use.
    """
    if not receipts:
        return []
    most = max(receipt.of for receipt in receipts)
    numbers = numbers_of(dataset.attributes.index)
    for receipt in receipts:
        numbers = numbers[numbers % np.uint64(receipt.of) != receipt.part - 1]
    places, counts = np.unique(numbers % np.uint64(most), return_counts=True)
    return [(Part(int(number) + 1, most), int(count)) for number, count in zip(places, counts, strict=True)]


def name_missing_parts(dataset: Dataset, record: ModelRecord, root: CacheRoot) -> None:
    """Warn about parts that have left no receipt, before their images are embedded here."""
    missing = missing_parts(dataset, found(root, record, dataset.fingerprint))
    for part, count in _shown(missing):
        log.warning("part %s has left no receipt: %s of its images are embedded here, where the cache lacks them", part, f"{count:,}")


def _shown(missing: Sequence[tuple[Part, int]], most: int = 20) -> Iterator[tuple[object, int]]:
    yield from missing[:most]
    if len(missing) > most:
        yield f"{missing[most][0]} and {len(missing) - most - 1} more", sum(count for _, count in missing[most:])
