"""Look for files that break a reader: ``python -m tests.fuzz.campaign csv --seconds 900``. Exits with 1 where one was found."""

from __future__ import annotations

import argparse
import hashlib
import random
import re
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.fuzz.child import SOUND, TOO_LARGE, Child
from tests.fuzz.mutation import mutated
from tests.fuzz.readers import READERS

CORPUS = Path(__file__).parent / "corpus"
MOST_BYTES = 65_536
"""Of a file that is kept: the corpus is part of the repository."""


def corpus(reader: str) -> list[Path]:
    """Return the files that ever broke a reader."""
    return sorted(path for path in (CORPUS / reader).glob("*") if path.is_file())


def smaller(content: bytes, reader: str, wanted: str, ask, seconds: float = 20) -> bytes:
    """Return a part of a file that still ends as `wanted`: pieces are left out, halves first, as long as that keeps the outcome."""
    deadline, piece = time.monotonic() + seconds, len(content) // 2
    while piece and time.monotonic() < deadline:
        at = 0
        while at < len(content) and time.monotonic() < deadline:
            shorter = content[:at] + content[at + piece :]
            if ask(shorter) == wanted:
                content = shorter
            else:
                at += piece
        piece //= 2
    return content


def keep(reader: str, content: bytes, found: str) -> Path:
    """Write a find into the corpus, named by what it did."""
    words = re.sub(r"[^a-z0-9]+", "-", re.sub(r"(?<=[a-z])(?=[A-Z])", "-", found).lower()).strip("-")[:70]
    path = CORPUS / reader / f"{words}-{hashlib.sha256(content).hexdigest()[:8]}{READERS[reader].suffix}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def search(reader: str, seconds: float, seed: int) -> int:
    """Mutate for so long; print what was done and return how many different ways to break the reader were found."""
    source, counted, finds = random.Random(seed), Counter(), {}
    seeds = [*READERS[reader].seeds(), *(path.read_bytes() for path in corpus(reader))]
    with tempfile.TemporaryDirectory() as name, Child(reader) as child:
        place = Path(name) / f"input{READERS[reader].suffix}"

        def ask(content: bytes) -> str:
            place.write_bytes(content)
            return child.ask(reader, place)

        started = time.monotonic()
        while time.monotonic() < started + seconds:
            content = mutated(reader, seeds, source)
            found = ask(content)
            counted[found] += 1
            if found in SOUND or found in finds:
                continue
            if found in ("hang", TOO_LARGE) and ask(content) != found:
                continue  # a busy machine
            least = content if found == "hang" else smaller(content, reader, found, ask)
            finds[found] = keep(reader, least, found) if len(least) <= MOST_BYTES else None
            print(f"FOUND {found}: {len(least)} bytes, {finds[found]}", flush=True)
    spent = time.monotonic() - started
    ends = ", ".join(f"{count} {what}" for what, count in counted.most_common())
    print(f"{reader}: {sum(counted.values()):,} files in {spent:.0f} s (seed {seed}): {ends}", flush=True)
    return len(finds)


def main() -> int:
    parse = argparse.ArgumentParser(description=__doc__)
    parse.add_argument("reader", nargs="*", help=f"one or more of {', '.join(READERS)}; default: all, one after another")
    parse.add_argument("--seconds", type=float, default=900, help="for each reader")
    parse.add_argument("--seed", type=int, default=0)
    given = parse.parse_args()
    if unknown := [name for name in given.reader if name not in READERS]:
        parse.error(f"unknown reader {unknown[0]!r}; choose from {', '.join(READERS)}")
    return int(sum(search(reader, given.seconds, given.seed) for reader in given.reader or READERS) > 0)


if __name__ == "__main__":
    sys.exit(main())
