"""``vlm-audit verify DIR|PACK``: checks the files of a finished audit or comparison, and recomputes its numbers from the answers."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from verify.decisions import counted, undecided
from verify.folder import MANIFEST, Files, check_files, parse_digest
from verify.ledger import Ledger, by_field
from verify.lock import LOCK, NO_LOCK, LockState, verify_lock
from verify.profile import PROFILE, profile_problems
from verify.source import PREDICTIONS, Source, UnreadableError, open_source, parsed

MOST_SHOWN = 20
VERIFIER = "pkg:pypi/vlm-audit#verify"
"""What verifies, as a URI."""
VERIFIED, DIFFERS, USAGE, UNREADABLE = 0, 1, 2, 3
NOT_RECOMPUTABLE = 1
SCHEMA_VERSION = "2"
INPUTS = {
    "settings": "chosen by the person who ran the audit",
    "lock": "as its file states it", "audits.lock": "hashes of texts and of the program",
    "command": "as typed",
    "environment": "as recorded",
    "audits.model": "as recorded; compare its sha256 with the model's",
    "audits.probe": "the probe's own texts",
    "audits.data": "counts of what was left out, texts and a fingerprint; the images are not in the folder",
    "audits.measurements": "questions and prompts; margins of scores",
    "audits.counts": "names of levels",
    "audits.findings.evidence": "supporting evidence, on which no verdict depends",
    "audits.findings.gap": "detectable differences and numbers of images: planning figures, on which no verdict depends",
    "audits.effects": "the questions; with clusters, weights or true answers also the differences of scores and the slopes",
    "audits.evidence": "supporting evidence, on which no verdict depends",
    "audits.specifications": "answers with other prompts are not in predictions.parquet",
    "audits.text_sets": "texts given to the model", "audits.texts": "texts given to the model",
    "audits.rankings": "scores of queries are not in predictions.parquet",
    "audits.associations": "embeddings are not in predictions.parquet",
    "audits.taggings": "scores of tags are not in predictions.parquet",
    "audits.conditions": "answers about changed images are not in predictions.parquet",
    "audits.counterfactual_sets": "answers about harmless edits are not in predictions.parquet",
    "audits.what_ifs": "need embeddings", "audits.untrained_control": "its answers are not in predictions.parquet",
    "gates.checks": "reasons, and the number of images that would settle a gate",
}  # fmt: skip
"""Why a field is not recomputable."""


@dataclass(frozen=True)
class Rendered:
    """What a second step of the caller found, which renders files from the results again. This package has no code for that."""

    compared: int = 0
    """Files that were rendered again."""
    problems: tuple[str, ...] = ()
    omitted: str = ""
    """Why none were, if that is so."""


@dataclass(frozen=True)
class Verification:
    """The result of verifying one folder."""

    files: Files
    ledger: Ledger
    unchecked: Mapping[str, int]
    digest: str | None
    """The digest given from outside; None: there is none."""
    lock: LockState = NO_LOCK
    lock_digest: str | None = None
    """That of the plan lock."""
    undecided: Mapping[str, int] = field(default_factory=dict)
    """How many findings, verdicts and gates were not recomputed."""
    without_answers: str = ""
    """Why there are no answers to recompute them from, if that is the reason."""
    rendered: Rendered = Rendered(omitted="python -m verify recomputes numbers alone")

    @property
    def digest_differs(self) -> bool:
        return self.digest is not None and self.digest not in (self.files.digest, self.files.archive)

    @property
    def lock_differs(self) -> bool:
        return self.lock_digest is not None and self.lock_digest != self.lock.sha256

    @property
    def differs(self) -> bool:
        problems = self.files.problems or self.ledger.differences or self.rendered.problems
        return bool(problems) or self.digest_differs or self.lock_differs

    @property
    def end(self) -> str:
        """The result in a word."""
        return "DIFFERS" if self.differs else "NOT RECOMPUTABLE" if self.undecided or self.without_answers else "VERIFIED"

    @property
    def exit_code(self) -> int:
        return {"DIFFERS": DIFFERS, "NOT RECOMPUTABLE": NOT_RECOMPUTABLE, "VERIFIED": VERIFIED}[self.end]

    def counts(self) -> dict[str, int]:
        """How many values have each outcome."""
        ledger = self.ledger
        return {
            "verified": len(ledger.verified), "differs": len(ledger.differences), "within Monte-Carlo error": len(ledger.drawn),
            "not recomputable": sum(self.unchecked.values()),
        }  # fmt: skip


def verify(path: Path, digest: str | None = None, audits: Sequence[Path] = (), lock_digest: str | None = None) -> Verification:
    """Check the files of a folder or an archive and recompute its numbers; raises `UnreadableError` if that is impossible.

    `audits` are the folders or archives of the audits that a comparison is about; `digest` and `lock_digest` the sha256 of the manifest (or
    the archive) and of the plan lock, from outside.
    """
    source = open_source(path)
    files = check_files(source)
    by_hash = {audit.digest("results.json"): audit for audit in map(open_source, audits)}
    for audit in by_hash.values():
        _check_version("results.json", _json(audit, "results.json"), audit)
    ledger = Ledger()
    unchecked: dict[str, int] = {}
    decisions: dict[str, int] = {}
    without_answers = ""
    lock = NO_LOCK
    for name in ("results.json", "comparison.json"):
        if name in source.names():
            facts = _json(source, name)
            _check_version(name, facts, source)
            without_answers = _recompute(source, name, facts, by_hash, ledger, files)
            if name == "results.json":
                lock = _lock(source, facts, files, ledger)
            left = ledger.unchecked(facts)
            unchecked |= by_field(left)
            decisions |= undecided(facts, left)
            if name == "results.json" and files.archive is not None and PROFILE in files.unlisted:
                files.problems += list(profile_problems(source.read(PROFILE), facts))
    return Verification(files, ledger, unchecked, digest, lock, lock_digest, decisions, without_answers)


def _lock(source: Source, facts: Any, files: Files, ledger: Ledger) -> LockState:
    try:
        return verify_lock(source, facts, files, ledger)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        files.problems.append(f"results.json and {LOCK} do not fit together ({type(error).__name__}: {ascii(str(error))[1:-1][:100]})")
        return NO_LOCK


def _json(source: Source, name: str) -> Any:
    try:
        return parsed(source.read(name))
    except (ValueError, RecursionError) as error:
        raise UnreadableError(f"{name} is not JSON ({type(error).__name__}), in {source.where}") from error


def _check_version(name: str, facts: Any, source: Source) -> None:
    """Raise `UnreadableError` for a file of another version: its numbers mean something else."""
    version = facts.get("schema_version") if isinstance(facts, dict) else None
    if version != SCHEMA_VERSION:
        stated = "no schema version" if version is None else f"schema version {ascii(version)[:20]}"
        fix = "run the audit again, or verify with the version of the program that wrote it"
        raise UnreadableError(f"{name} has {stated}, and this program verifies version {SCHEMA_VERSION}: {fix}, in {source.where}")


def _recompute(source: Source, name: str, facts: Any, audits: Mapping[str, Source], ledger: Ledger, files: Files) -> str:
    """Recompute one file; returns why there are no answers to recompute it from, or nothing."""
    from verify.answers import AnswerFile
    from verify.audit import verify_results
    from verify.choices import verify_choices
    from verify.gates import verify_gates

    try:
        if name == "comparison.json":
            return _recompute_comparison(facts, audits, ledger, files)
        if PREDICTIONS in files.left_out or PREDICTIONS not in {*source.names(), *files.hashes}:
            return f"{PREDICTIONS} is not here"
        table = AnswerFile(source.read(PREDICTIONS))
        verify_results(facts, table, ledger)
        verify_gates(facts, ledger)
        verify_choices(facts, table.facts.get("stated"), ledger)
        if table.facts and "stated" not in table.facts:
            files.notes.append(
                f"{PREDICTIONS} has no copy of what the audit says about its data: an earlier version wrote it, or it was removed"
            )
    except (UnreadableError, KeyError, TypeError, ValueError, IndexError, AttributeError, OSError, ArithmeticError) as error:
        reason = f"{type(error).__name__}: {ascii(str(error))[1:-1][:100]}"
        files.problems.append(f"{name} and the answers do not fit together; the numbers after this were not checked ({reason})")
    return ""


def _recompute_comparison(facts: Any, audits: Mapping[str, Source], ledger: Ledger, files: Files) -> str:
    """Recompute a comparison from the answers of its audits; returns which of them are missing, or nothing."""
    from verify.answers import AnswerFile, Answers
    from verify.comparison import ComparisonRun, Side, verify_comparisons

    found: dict[str, tuple[Any, AnswerFile]] = {}
    for side in facts["sides"]:
        if (audit := audits.get(side["sha256"])) is not None:
            found[side["name"]] = (_json(audit, "results.json"), AnswerFile(audit.read(PREDICTIONS)))
    model_of = {side["name"]: side["model"]["name"] for side in facts["sides"]}

    def lookup(name: str, probe: str) -> Side | None:
        if name not in found:
            return None
        results, table = found[name]
        audit = next(a for a in results["audits"] if a["probe"]["name"] == probe and a["model"]["name"] == model_of[name])

        @cache
        def answers(measurement: str) -> Answers:
            return table.answers(audit, measurement)

        return audit, answers

    run = ComparisonRun(facts["settings"], facts["environment"].get("numpy") == np.__version__)
    verify_comparisons(facts["comparisons"], list(model_of), ("comparisons",), lookup, run, ledger)
    missing = ", ".join(sorted(ascii(name) for name in model_of if name not in found))
    if missing and audits:
        return f"--audits does not name the audit of {missing} that was compared"
    return f"its answers are in the audits of {missing}: name them with --audits" if missing else ""


# ---- printing --------------------------------------------------------------------------------------------------------------------


def text(found: Verification, *, everything: bool = False) -> str:
    """The result in words."""
    files, counts = found.files, found.counts()
    good = files.listed - sum(not problem.startswith("manifest") for problem in files.problems)
    lines = [
        f"files       {max(good, 0)} of {files.listed} as in manifest.json" if files.listed else "files       no usable manifest.json",
        *(f"  differs: {problem}" for problem in files.problems), *(f"  note: {note}" for note in files.notes),
        f"digest      {_digest(found)}",
        f"lock        {_lock_line(found)}",
        "signature   not checked: if manifest.json was signed, verify the signature with the tool that made it",
        f"rendered    {_rendered(found.rendered)}", *(f"  differs: {problem}" for problem in found.rendered.problems),
        f"values      {', '.join(f'{number:,} {kind}' for kind, number in counts.items())}",
    ]  # fmt: skip
    shown = found.ledger.differences if everything else found.ledger.differences[:MOST_SHOWN]
    lines += [f"  differs: {difference}" for difference in shown]
    if len(shown) < len(found.ledger.differences):
        lines.append(f"  {len(found.ledger.differences) - len(shown):,} more; --all lists them")
    lines.append("not recomputable")
    fields: dict[str, int] = {}
    for name, number in found.unchecked.items():
        key = name if name in INPUTS else name.split(".")[0] if name.split(".")[0] in INPUTS else name
        fields[key] = fields.get(key, 0) + number
    lines += [f"  {name:<28} {number:>7,}  {INPUTS.get(name, '')}".rstrip() for name, number in sorted(fields.items())]
    return "\n".join([*lines, _summary(found)])


def _lock_line(found: Verification) -> str:
    """What is known about the plan lock."""
    lock = found.lock
    if lock.sha256 is None:
        none = "none: nothing outside the results says what was planned before the run"
        return f"DIFFERS: there is none, and --lock-digest was given; {none}" if found.lock_digest else none
    stated = f"{LOCK}, planned by {ascii(lock.by)[1:-1] if lock.by else 'a person who is not stated'}; the results state {lock.deviations} "
    stated += f"deviation{'s' * (lock.deviations != 1)}"
    if found.lock_digest is None:
        return f"{stated}; no digest from outside (--lock-digest): whoever can edit these files can also edit the lock, {lock.sha256}"
    return f"DIFFERS: that of {LOCK} is {lock.sha256}" if found.lock_differs else f"{stated}; its digest is as given"


def _rendered(step: Rendered) -> str:
    """The outcome of the second step."""
    if step.omitted:
        return f"no: {step.omitted}"
    good = step.compared - len(step.problems)
    return f"{max(good, 0)} of {step.compared} files (page, summary, card, tables) are what this program renders from the results"


def _digest(found: Verification) -> str:
    if found.digest is None:
        own = f"{found.files.digest}{_of_archive(found)}"
        return f"not given (--digest): whoever can edit these files can also edit their manifest, whose sha256 is {own}"
    if found.digest_differs:
        return f"DIFFERS: that of manifest.json is {found.files.digest}{_of_archive(found)}"
    if found.digest == found.files.archive:
        return "as given: every byte of the archive is as it was when the digest was made"
    return "as given: every file in the manifest is the one that the digest was made for"


def _of_archive(found: Verification) -> str:
    return "" if found.files.archive is None else f"; that of the archive is {found.files.archive}"


def _summary(found: Verification) -> str:
    """The last line: one of three ends, why, and how many values have each outcome."""
    numbers = ", ".join(f"{number:,} {kind}" for kind, number in found.counts().items())
    return f"{found.end}{_reason(found)} ({numbers})"


def _reason(found: Verification) -> str:
    if found.differs:
        return f": see above{_reason_of_pages(found.rendered) * bool(found.rendered.omitted)}"
    return f"{_reason_of_numbers(found)}{_reason_of_pages(found.rendered)}"


def _reason_of_pages(step: Rendered) -> str:
    if step.omitted:
        return f"; the page, summary, card and tables were not rendered again: {step.omitted}"
    return f"; the page, summary, card and tables ({step.compared} files) follow from the results"


def _reason_of_numbers(found: Verification) -> str:
    if found.end != "VERIFIED":
        what = counted(found.undecided) if found.undecided else "the numbers"
        why = found.without_answers or "this program leaves their kind out"
        return f": {what} could not be recomputed, because {why}"
    if found.digest is None:
        return ", without a digest from outside: the numbers follow from the answers in these files, whose origin was not checked"
    return ": the numbers follow from the answers in these files, which are those of the digest"


def as_json(found: Verification) -> str:
    """The result as JSON."""
    facts = {
        "lock_sha256": found.lock.sha256, "lock_digest": found.lock_digest, "lock_deviations": found.lock.deviations,
        "manifest_sha256": found.files.digest, "digest": found.digest, "differs": found.differs,
        "end": found.end.lower(), "undecided": dict(found.undecided), "files_listed": found.files.listed,
        "files": found.files.problems, "notes": found.files.notes, "values": found.counts(),
        "rendered": {"compared": found.rendered.compared, "differs": found.rendered.problems, "omitted": found.rendered.omitted},
        "differences": [str(difference) for difference in found.ledger.differences], "not_recomputable": dict(found.unchecked),
    }  # fmt: skip
    return json.dumps(facts, indent=1, sort_keys=True)


def as_statement(found: Verification, created: datetime) -> str:
    """The result as an in-toto statement (Statement v1, svr v0.1) about the manifest, to be signed by whoever verified.

    Raises ValueError if something differs: what did not hold is not stated.
    """
    if found.differs:
        raise ValueError("something differs, so nothing is stated; run without --statement to see what")
    holds = {
        "VLM_AUDIT_FILES_AS_IN_MANIFEST": True, "VLM_AUDIT_NUMBERS_RECOMPUTED": bool(found.ledger.verified) and found.end == "VERIFIED",
        "VLM_AUDIT_FILES_AS_RENDERED": bool(found.rendered.compared),
        "VLM_AUDIT_DIGEST_AS_GIVEN": found.digest is not None, "VLM_AUDIT_LOCK_AS_GIVEN": found.lock_digest is not None,
    }  # fmt: skip
    facts = {
        "_type": "https://in-toto.io/Statement/v1", "subject": [{"name": MANIFEST, "digest": {"sha256": found.files.digest}}],
        "predicateType": "https://in-toto.io/attestation/svr/v0.1",
        "predicate": {
            "verifier": {"id": VERIFIER}, "timeCreated": created.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
            "properties": [name for name, held in holds.items() if held],
        },
    }  # fmt: skip
    return json.dumps(facts, indent=1)


def parser(*, renders: bool = False) -> argparse.ArgumentParser:
    """Return the parser of the command; `renders`: of one with a second step."""
    what = "Checks the files of a finished audit, and recomputes its counts, rates, intervals, tests and verdicts from predictions.parquet."
    ends = "exit codes: 0 verified; 1 something differs, or a finding, verdict or gate cannot be recomputed; 2 usage; 3 unreadable files"
    parse = argparse.ArgumentParser("vlm-audit verify", description=what, epilog=ends)
    parse.add_argument(
        "directory", metavar="DIR", help="the output folder of an audit or a comparison, or an archive made by vlm-audit pack"
    )
    parse.add_argument("--digest", metavar="SHA256", help="the sha256 of manifest.json, or of the archive, from another source")
    parse.add_argument("--lock-digest", metavar="SHA256", help=f"the sha256 of {LOCK}, from another source")
    parse.add_argument(
        "--audits", metavar="DIR", nargs="+", default=[], help="the audits that a comparison is about: its numbers need their answers"
    )
    parse.add_argument("--all", action="store_true", help=f"list every difference, not only the first {MOST_SHOWN}")
    if renders:
        what = "do not render the page, the summary, the model cards and the tables again from the results, to compare their bytes"
        parse.add_argument("--no-rendered", action="store_true", help=what)
    form = parse.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print the result as JSON")
    form.add_argument("--statement", action="store_true", help="print an in-toto statement, to be signed; nothing if something differs")
    return parse


def main(argv: Sequence[str] | None = None, render: Callable[[Source], Rendered] | None = None) -> int:
    """Verify a folder, print the result and return the exit code; `render` is a second step, of another program."""
    arguments = parser(renders=render is not None).parse_args(argv)
    digests = []
    for flag, value in (("--digest", arguments.digest), ("--lock-digest", arguments.lock_digest)):
        try:
            digests.append(None if value is None else parse_digest(value))
        except ValueError as error:
            sys.stderr.write(f"error[E2] {flag}: {error}\n")
            return USAGE
    try:
        found = verify(Path(arguments.directory), digests[0], [Path(name) for name in arguments.audits], digests[1])
        if render is not None:
            rendered = Rendered(omitted="--no-rendered") if arguments.no_rendered else render(open_source(Path(arguments.directory)))
            found = replace(found, rendered=rendered)
    except (UnreadableError, OSError) as error:
        sys.stderr.write(f"error[E3] {ascii(str(error))[1:-1]}\n")
        return UNREADABLE
    try:
        printed = as_statement(found, datetime.now(UTC)) if arguments.statement else as_json(found) if arguments.json else None
    except ValueError as error:
        sys.stderr.write(f"error[E1] {error}\n")
        return DIFFERS
    sys.stdout.write(f"{text(found, everything=arguments.all) if printed is None else printed}\n")
    return found.exit_code
