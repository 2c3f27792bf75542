"""The files of a folder or an archive: their hashes, compared with the manifest, and the manifest's with a digest from outside."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from verify.source import LEFT_OUT, ArchiveSource, Source, UnreadableError, parsed

MANIFEST, LOCK = "manifest.json", "plan.lock.json"
STATUS, COMPLETE = "STATUS", b"complete\n"
"""How the last run in a folder ended; the manifest, of the last run that was completed, does not list it."""
LATER = {b"running": "was killed or has not ended", b"interrupted": "was interrupted", b"failed": "failed"}
"""What `STATUS` says of a run that did not complete -> what that means. Then the files are still those of the run before."""
NEWER = ".new/" + MANIFEST
"""In a folder: the manifest of a complete run whose files have not all replaced the old ones."""
UNLISTED = ("run.log",)
"""Files that end after the manifest is written: nothing can say which bytes they should have."""
_NAME = re.compile(r"(tables/)?[\w-][\w.-]*", re.ASCII)
_LATER = re.compile(
    rb"(running)\nheld by process \d{1,20}\n|(interrupted|failed)\n"
    rb"(?:the other files are of an earlier, complete (?:audit|comparison)\n|the new files are complete: [^\n]{1,500}\n)?"
)
_DIGEST = re.compile(r"(sha256:)?([0-9a-f]{64})", re.IGNORECASE | re.ASCII)


@dataclass
class Files:
    """The files of a folder, and what is wrong with them."""

    digest: str
    """The sha256 of the manifest, which stands for all files that it lists."""
    archive: str | None = None
    """The sha256 of the archive, which stands for all files in it; None for a folder."""
    unlisted: tuple[str, ...] = ()
    """Files that the manifest does not list."""
    left_out: tuple[str, ...] = ()
    """Files that were left out of the archive on purpose."""
    listed: int = 0
    hashes: Mapping[str, str] = field(default_factory=dict)
    """Name -> sha256, of the manifest."""
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def parse_digest(text: str) -> str:
    """A sha256 as 64 lower-case characters; raises ValueError.

    >>> parse_digest("SHA256:" + "A" * 64) == "a" * 64
    True
    """
    match = _DIGEST.fullmatch(text.strip())
    if match is None:
        raise ValueError("expected a sha256: 64 characters from 0 to 9 and a to f")
    return match[2].lower()


def check_files(source: Source) -> Files:
    """Compare every file of a folder or an archive with its manifest; raises `UnreadableError` without one."""
    content = source.read(MANIFEST)
    files = Files(hashlib.sha256(content).hexdigest())
    if isinstance(source, ArchiveSource):
        files.archive, files.left_out = source.sha256, source.left_out()
    files.hashes = hashes = _parsed(content, files)
    for name, expected in sorted(hashes.items()):
        if name not in files.left_out:
            _check_file(source, name, expected, files)
    files.listed = len(hashes) - len({*files.left_out} & {*hashes})
    here = source.names()
    _check_run(source, here, files)
    files.unlisted = tuple(sorted(here - {*hashes, MANIFEST, LEFT_OUT, STATUS}))
    files.notes += [f"{ascii(name)[1:-1]} is not in the manifest and was not checked" for name in files.unlisted]
    files.notes += [f"{name} was left out of the archive on purpose" for name in files.left_out]
    return files


def _check_run(source: Source, here: set[str], files: Files) -> None:
    """Say of which run the files are, if it is not the last one in the folder."""
    content = source.read(STATUS) if STATUS in here else COMPLETE
    if later := _LATER.fullmatch(content):
        word = later[1] or later[2]
        files.notes.append(
            f"{STATUS} is {word.decode()!r}: a run in this folder {LATER[word]}; the files are of the last one that was completed"
        )
    elif content != COMPLETE:
        files.problems.append(f"{STATUS}: expected 'complete' and nothing else")
    if NEWER in here:
        files.notes.append("a newer run is complete in .new, and was not checked: vlm-audit render puts its files in the place of these")


@dataclass(frozen=True)
class Lock:
    """What can be said about the plan lock of a run."""

    sha256: str | None = None
    """Of the file; None: there is none."""
    by: str | None = None
    deviations: int = 0
    """How many the results state."""


def check_lock(source: Source, results: Mapping[str, Any], files: Files) -> Lock:
    """Whether the lock in the folder is the one that the results name; otherwise that is added to the problems."""
    record, content = results.get("lock"), source.read(LOCK) if LOCK in source.names() else None
    if record is None:
        files.problems += [f"{LOCK}: it is here, and results.json names no lock"] if content is not None else []
        return Lock()
    deviations = len(record["deviations"]) + sum(len(audit["lock"]["deviations"]) for audit in results["audits"])
    if content is None:
        files.problems.append(f"{LOCK} is missing: results.json was run under one with the sha256 {record['sha256']}")
        return Lock(None, record["who"], deviations)
    sha256 = hashlib.sha256(content).hexdigest()
    if sha256 != record["sha256"]:
        files.problems.append(f"{LOCK}: it was changed after the run: its sha256 is {sha256}, in results.json {record['sha256']}")
    return Lock(sha256, record["who"], deviations)


def _check_file(source: Source, name: str, expected: str, files: Files) -> None:
    try:
        actual = source.digest(name)
    except UnreadableError as error:
        files.problems.append(str(error).split(",", maxsplit=1)[0])
        return
    if actual != expected:
        files.problems.append(f"{name}: its sha256 is {actual}, in {MANIFEST} {expected[:64]}")


def _parsed(content: bytes, files: Files) -> dict[str, str]:
    """File -> sha256. A manifest has one exact form, so that no byte of it can be changed without a trace."""
    try:
        manifest = parsed(content)
        hashes = manifest["files"]
        if not all(_NAME.fullmatch(name) and _DIGEST.fullmatch(value) for name, value in hashes.items()):
            raise ValueError("a name or a hash in it has another form")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        files.problems.append(f"{MANIFEST}: it is damaged ({type(error).__name__})")
        return {}
    exact = json.dumps({"schema_version": "1", "files": hashes}, indent=1, sort_keys=True) + "\n"
    if content != exact.encode():
        files.problems.append(f"{MANIFEST}: it is not in the form in which it is written")
    if not {"results.json", "comparison.json"} & set(hashes):
        files.problems.append(f"{MANIFEST}: it lists neither results.json nor comparison.json")
    return dict(hashes)
