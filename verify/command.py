"""``python -m verify DIR|PACK``: checks the files of a finished audit or comparison, and recomputes its numbers from the answers."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np

from verify.answers import AnswerFile, Answers
from verify.audit import verify_results
from verify.comparison import ComparisonRun, Side, verify_comparisons
from verify.folder import LOCK, Files, Lock, check_files, check_lock, parse_digest
from verify.ledger import Difference, Ledger, by_field, unchecked
from verify.ledger import Path as Place
from verify.source import PREDICTIONS, Source, UnreadableError, open_source, parsed

MOST_SHOWN = 20
USAGE, UNREADABLE = 2, 3
SCHEMA_VERSION = "2"
RESULTS, COMPARISON = "results.json", "comparison.json"
ALONE = "python -m verify recomputes numbers alone"
DECISIVE = {
    ("audits", "verdict"): "verdict", ("audits", "findings", "verdict"): "finding",
    ("audits", "effects", "verdict"): "finding", ("audits", "effects", "p"): "finding",
    ("paired_models", "comparisons", "verdict"): "verdict", ("paired_models", "comparisons", "changes", "verdict"): "finding",
    ("comparisons", "verdict"): "verdict", ("comparisons", "changes", "verdict"): "finding", ("gates", "outcome"): "gate",
}  # fmt: skip
"""Field -> what it decides: where one was not recomputed, nothing is called verified."""


@dataclass(frozen=True)
class Rendered:
    """What the second step found about files for people, which it renders from the results again."""

    compared: int = 0
    """Files that were rendered again."""
    problems: tuple[str, ...] = ()
    omitted: str = ALONE
    """Why none were, if that is so."""


@dataclass
class SecondStep:
    """What follows from the recomputed values by the rules of the audit. This package has no code for that: its caller may."""

    ledger: Ledger = field(default_factory=Ledger)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    rendered: Rendered = Rendered()
    omitted: str = ""
    """Why it was not done, if that is so."""


@dataclass
class Verification:
    """The result of verifying one folder."""

    source: Source
    files: Files
    ledger: Ledger = field(default_factory=Ledger)
    """What was recomputed from the answers."""
    facts: dict[str, Any] = field(default_factory=dict)
    """The files with numbers, by name."""
    lock: Lock = field(default_factory=Lock)
    digest: str | None = None
    """That of the manifest or the archive, from outside; None: there is none."""
    lock_digest: str | None = None
    without_answers: str = ""
    """Why there are no answers to recompute from, if that is so."""
    second: SecondStep = field(default_factory=lambda: SecondStep(omitted=ALONE))

    @property
    def differences(self) -> list[Difference]:
        """Those of both steps."""
        return self.ledger.differences + self.second.ledger.differences

    @property
    def problems(self) -> list[str]:
        """Those of files, in both steps."""
        return [*self.files.problems, *self.second.problems]

    @property
    def digest_differs(self) -> bool:
        return self.digest is not None and self.digest not in (self.files.digest, self.files.archive)

    @property
    def lock_differs(self) -> bool:
        return self.lock_digest is not None and self.lock_digest != self.lock.sha256

    @property
    def differs(self) -> bool:
        found = self.problems or self.differences or self.second.rendered.problems
        return bool(found) or self.digest_differs or self.lock_differs

    @cached_property
    def unchecked(self) -> dict[str, list[Place]]:
        """The values of each file that neither step compared."""
        return {name: unchecked(facts, self.ledger, self.second.ledger) for name, facts in self.facts.items()}

    @property
    def undecided(self) -> dict[str, int]:
        """How many findings, verdicts and gates were not recomputed; exploratory questions about scores and trends decide nothing."""
        found = set()
        for name, places in self.unchecked.items():
            for place in places:
                kind = DECISIVE.get(tuple(part for part in place if isinstance(part, str)))
                if kind and ("effects" not in place or self.facts[name]["audits"][place[1]]["effects"][place[3]]["primary"]):
                    found.add((kind, place[:-1]))
        return dict(sorted(Counter(kind for kind, _ in found).items()))

    @property
    def end(self) -> str:
        """The result in a word."""
        return "DIFFERS" if self.differs else "NOT RECOMPUTABLE" if self.undecided or self.without_answers else "VERIFIED"

    @property
    def exit_code(self) -> int:
        return 0 if self.end == "VERIFIED" else 1

    def counts(self) -> dict[str, int]:
        """How many values have each outcome."""
        follow = len(self.second.ledger.verified - self.ledger.verified)
        return {
            "recomputed independently": len(self.ledger.verified), "by the audit's own rules from these": follow,
            "differs": len(self.differences), "within Monte-Carlo error": len(self.ledger.drawn),
            "not recomputable": sum(map(len, self.unchecked.values())),
        }  # fmt: skip


def verify(path: Path, digest: str | None = None, audits: Sequence[Path] = (), lock_digest: str | None = None) -> Verification:
    """Check the files of a folder or an archive and recompute its numbers; raises `UnreadableError` if that is impossible.

    `audits` are the folders or archives of the audits that a comparison is about; `digest` and `lock_digest` the sha256 of the manifest (or
    the archive) and of the plan lock, from outside.
    """
    source = open_source(path)
    found = Verification(source, check_files(source), digest=digest, lock_digest=lock_digest)
    known = {audit.digest(RESULTS): (audit, _facts(audit, RESULTS)) for audit in map(open_source, audits)}
    if RESULTS in source.names():
        found.facts[RESULTS] = facts = _facts(source, RESULTS)
        if PREDICTIONS in found.files.left_out or PREDICTIONS not in {*source.names(), *found.files.hashes}:
            found.without_answers = f"{PREDICTIONS} is not here"
        else:
            _guarded(found, RESULTS, lambda: verify_results(facts, AnswerFile(source.read(PREDICTIONS)), found.ledger))
        _guarded(found, RESULTS, lambda: _check_lock(found, facts))
    if COMPARISON in source.names():
        found.facts[COMPARISON] = compared = _facts(source, COMPARISON)
        _guarded(found, COMPARISON, lambda: _recompute_comparison(found, compared, known))
    return found


def _facts(source: Source, name: str) -> Any:
    """A file with numbers; raises `UnreadableError` for one of another version, whose numbers mean something else."""
    try:
        facts = parsed(source.read(name))
    except (ValueError, RecursionError) as error:
        raise UnreadableError(f"{name} is not JSON ({type(error).__name__}), in {source.where}") from error
    version = facts.get("schema_version") if isinstance(facts, dict) else None
    if version != SCHEMA_VERSION:
        stated = "no schema version" if version is None else f"schema version {ascii(version)[:20]}"
        fix = "run the audit again, or verify with the version of the program that wrote it"
        raise UnreadableError(f"{name} has {stated}, and this program verifies version {SCHEMA_VERSION}: {fix}, in {source.where}")
    return facts


def _guarded(found: Verification, name: str, recompute: Callable[[], object]) -> None:
    """Recompute a part; files that do not fit together are a problem."""
    try:
        recompute()
    except (UnreadableError, KeyError, TypeError, ValueError, IndexError, AttributeError, OSError, ArithmeticError) as error:
        reason = f"{type(error).__name__}: {ascii(str(error))[1:-1][:100]}"
        found.files.problems.append(f"{name} and the answers do not fit together; the numbers after this were not checked ({reason})")


def _check_lock(found: Verification, results: Any) -> None:
    found.lock = check_lock(found.source, results, found.files)


def _recompute_comparison(found: Verification, facts: Any, known: Mapping[str, tuple[Source, Any]]) -> None:
    """Recompute a comparison from the answers of its audits."""
    sides = {side["name"]: known[side["sha256"]] for side in facts["sides"] if side["sha256"] in known}
    tables = {name: (results, AnswerFile(audit.read(PREDICTIONS))) for name, (audit, results) in sides.items()}
    model_of = {side["name"]: side["model"]["name"] for side in facts["sides"]}

    def lookup(name: str, probe: str) -> Side | None:
        if name not in tables:
            return None
        results, table = tables[name]
        audit = next(a for a in results["audits"] if a["probe"]["name"] == probe and a["model"]["name"] == model_of[name])

        @cache
        def answers(measurement: str) -> Answers:
            return table.answers(audit, measurement)

        return audit, answers

    run = ComparisonRun(facts["settings"], facts["environment"].get("numpy") == np.__version__)
    verify_comparisons(facts["comparisons"], list(model_of), ("comparisons",), lookup, run, found.ledger)
    if missing := ", ".join(sorted(ascii(name) for name in model_of if name not in tables)):
        wrong, none = f"--audits does not name the audit of {missing} that was compared", f"its answers are in the audits of {missing}"
        found.without_answers = wrong if known else f"{none}: name them with --audits"


# ---- printing --------------------------------------------------------------------------------------------------------------------


def text(found: Verification, *, everything: bool = False) -> str:
    """The result in words: what differs, how many values of each field were not recomputed, and how it ends."""
    shown = [f"the sha256 of manifest.json is {found.files.digest}, not the given one"] if found.digest_differs else []
    shown += [f"the sha256 of {LOCK} is {found.lock.sha256}, not the given one"] if found.lock_differs else []
    shown += [*found.problems, *map(str, found.differences)]
    lines = [f"differs: {one}" for one in (shown if everything else shown[:MOST_SHOWN])]
    lines += [f"{len(shown) - len(lines):,} more; --all lists them"] if len(shown) > len(lines) else []
    lines += [f"note: {note}" for note in found.files.notes]
    left = Counter[str]()
    for places in found.unchecked.values():
        for name, number in by_field(places).items():
            left[name if name.startswith("audits") else name.split(".")[0]] += number
    lines += [f"not recomputed: {name} ({number:,})" for name, number in sorted(left.items())]
    return "\n".join([*lines, f"{found.end}{reason(found)} ({counted(found.counts())})"])


def counted(counts: Mapping[str, int]) -> str:
    """Numbers in words."""
    return ", ".join(f"{number:,} {kind}" for kind, number in counts.items())


def reason(found: Verification) -> str:
    """Why it ends so, and what was not done."""
    step = found.second.rendered
    pages = f"; the page, summary, card and tables ({step.compared} files) follow from the results"
    if step.omitted:
        pages = f"; the page, summary, card and tables were not rendered again: {step.omitted}"
    if found.second.omitted:
        pages = f"; the second step was not done: {found.second.omitted}"
    if found.differs:
        return f": see above{pages * bool(step.omitted)}"
    if found.end == "NOT RECOMPUTABLE":
        parts = [f"{number:,} {kind}{'s' * (number != 1)}" for kind, number in found.undecided.items()] or ["the numbers"]
        what = " and ".join(filter(None, (", ".join(parts[:-1]), parts[-1])))
        step_needed = "vlm-audit verify does that in its second step" if found.second.omitted else "this program leaves their kind out"
        return f": {what} could not be recomputed, because {found.without_answers or step_needed}{pages}"
    if found.digest is None:
        return f", without a digest from outside: the numbers follow from the answers in these files, whose origin was not checked{pages}"
    return f": the numbers follow from the answers in these files, which are those of the digest{pages}"


# ---- the command -----------------------------------------------------------------------------------------------------------------


def parser(name: str = "python -m verify") -> argparse.ArgumentParser:
    """Return the parser of the command."""
    what = "Checks the files of a finished audit, and recomputes its counts, rates, intervals, tests and verdicts from predictions.parquet."
    ends = "exit codes: 0 verified; 1 something differs, or a finding, verdict or gate cannot be recomputed; 2 usage; 3 unreadable files"
    parse = argparse.ArgumentParser(name, description=what, epilog=ends)
    parse.add_argument(
        "directory", metavar="DIR", help="the output folder of an audit or a comparison, or an archive made by vlm-audit pack"
    )
    parse.add_argument("--digest", metavar="SHA256", help="the sha256 of manifest.json, or of the archive, from another source")
    parse.add_argument("--lock-digest", metavar="SHA256", help=f"the sha256 of {LOCK}, from another source")
    parse.add_argument(
        "--audits", metavar="DIR", nargs="+", default=[], help="the audits that a comparison is about: its numbers need their answers"
    )
    parse.add_argument("--all", action="store_true", help=f"list every difference, not only the first {MOST_SHOWN}")
    return parse


def verified(arguments: argparse.Namespace) -> Verification | int:
    """Verify the folder that the arguments name; returns the exit code if that is impossible, after it has said why."""
    digests = []
    for flag, value in (("--digest", arguments.digest), ("--lock-digest", arguments.lock_digest)):
        try:
            digests.append(None if value is None else parse_digest(value))
        except ValueError as error:
            sys.stderr.write(f"error[E2] {flag}: {error}\n")
            return USAGE
    try:
        return verify(Path(arguments.directory), digests[0], [Path(name) for name in arguments.audits], digests[1])
    except (UnreadableError, OSError) as error:
        sys.stderr.write(f"error[E3] {ascii(str(error))[1:-1]}\n")
        return UNREADABLE


def main(argv: Sequence[str] | None = None) -> int:
    """Verify a folder, print the result and return the exit code."""
    arguments = parser().parse_args(argv)
    found = verified(arguments)
    if isinstance(found, int):
        return found
    sys.stdout.write(f"{text(found, everything=arguments.all)}\n")
    return found.exit_code
