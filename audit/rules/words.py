"""The outcome of a verification: in words, as JSON, and as a statement to be signed."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime

from verify.command import MOST_SHOWN, Rendered, SecondStep, Verification, counted, reason
from verify.folder import LOCK, MANIFEST
from verify.ledger import by_field

VERIFIER = "pkg:pypi/vlm-audit#verify"
"""What verifies, as a URI."""
ASKED = ("attributes", "better", "measurement", "metric", "outcome", "primary", "tolerance", "ratio_tolerance")
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
    "audits.effects": "as asked; of some, also the test: inside counterfactual sets, and over levels without images",
    "audits.evidence": "supporting evidence, on which no verdict depends",
    "audits.specifications": "answers with other prompts are not in predictions.parquet",
    "audits.text_sets": "texts given to the model", "audits.texts": "texts given to the model",
    "audits.rankings": "scores of queries are not in predictions.parquet",
    "audits.associations": "embeddings are not in predictions.parquet",
    "audits.taggings": "scores of tags are not in predictions.parquet",
    "audits.conditions": "answers about changed images are not in predictions.parquet",
    "audits.counterfactual_sets": "answers about harmless edits are not in predictions.parquet",
    "audits.what_ifs": "need embeddings", "audits.untrained_control": "its answers are not in predictions.parquet",
    "gates": "as typed", "gates.checks": "of the mean of replicates, or in the words of another version",
    **dict.fromkeys((f"audits.findings.{name}" for name in ASKED), "as asked"),
}  # fmt: skip
"""Why a field is not recomputed."""


def text(found: Verification, *, everything: bool = False) -> str:
    """The result in words."""
    files, step = found.files, found.second
    good = files.listed - sum(not problem.startswith("manifest") for problem in files.problems)
    lines = [
        f"files       {max(good, 0)} of {files.listed} as in manifest.json" if files.listed else "files       no usable manifest.json",
        *(f"  differs: {problem}" for problem in files.problems), *(f"  note: {note}" for note in (*files.notes, *step.notes)),
        f"digest      {_digest(found)}",
        f"lock        {_lock(found)}",
        "signature   not checked: if manifest.json was signed, verify the signature with the tool that made it",
        f"values      {counted(found.counts())}",
    ]  # fmt: skip
    shown = found.differences if everything else found.differences[:MOST_SHOWN]
    lines += [f"  differs: {difference}" for difference in shown]
    if len(shown) < len(found.differences):
        lines.append(f"  {len(found.differences) - len(shown):,} more; --all lists them")
    lines += [f"second step {_second(step)}", *(f"  differs: {problem}" for problem in step.problems)]
    lines += [f"rendered    {_rendered(step.rendered)}", *(f"  differs: {problem}" for problem in step.rendered.problems)]
    fields: Counter[str] = Counter()
    for places in found.unchecked.values():
        for name, number in by_field(places).items():
            fields[name if name in INPUTS or name.split(".")[0] not in INPUTS else name.split(".")[0]] += number
    reasons = [f"  {name:<28} {number:>7,}  {INPUTS.get(name, '')}".rstrip() for name, number in sorted(fields.items())]
    return "\n".join([*lines, "not recomputable", *reasons, f"{found.end}{reason(found)} ({counted(found.counts())})"])


def _digest(found: Verification) -> str:
    archive = "" if found.files.archive is None else f"; that of the archive is {found.files.archive}"
    if found.digest is None:
        own = f"{found.files.digest}{archive}"
        return f"not given (--digest): anyone who can edit these files can also edit their manifest, whose sha256 is {own}"
    if found.digest_differs:
        return f"DIFFERS: that of manifest.json is {found.files.digest}{archive}"
    if found.digest == found.files.archive:
        return "as given: every byte of the archive is as it was when the digest was made"
    return "as given: every file in the manifest is the one that the digest was made for"


def _lock(found: Verification) -> str:
    lock = found.lock
    if lock.sha256 is None:
        none = "none: nothing outside the results says what was planned before the run"
        return f"DIFFERS: not found, but --lock-digest was given; {none}" if found.lock_digest else none
    by = ascii(lock.by)[1:-1] if lock.by else "a person who is not stated"
    stated = f"{LOCK}, planned by {by}; the results state {lock.deviations} deviation{'s' * (lock.deviations != 1)}"
    if found.lock_digest is None:
        return f"{stated}; no digest from outside (--lock-digest): anyone who can edit these files can also edit the lock, {lock.sha256}"
    return f"DIFFERS: that of {LOCK} is {lock.sha256}" if found.lock_differs else f"{stated}; its digest is as given"


def _second(step: SecondStep) -> str:
    if step.omitted:
        return f"not done: gates, questions about scores and trends, deviations from a plan lock and notes were not checked; {step.omitted}"
    return "gates, questions about scores and trends, deviations from a plan lock, notes: by the audit's own rules"


def _rendered(step: Rendered) -> str:
    if step.omitted:
        return f"no: {step.omitted}"
    good = step.compared - len(step.problems)
    return f"{max(good, 0)} of {step.compared} files (page, summary, card, tables) are what this program renders from the results"


def as_json(found: Verification) -> str:
    """The result as JSON."""
    rendered, counts = found.second.rendered, found.counts()
    left: Counter[str] = Counter()
    for places in found.unchecked.values():
        left += by_field(places)
    facts = {
        "lock_sha256": found.lock.sha256, "lock_digest": found.lock_digest, "lock_deviations": found.lock.deviations,
        "manifest_sha256": found.files.digest, "digest": found.digest, "differs": found.differs,
        "end": found.end.lower(), "undecided": found.undecided, "files_listed": found.files.listed,
        "files": found.problems, "notes": [*found.files.notes, *found.second.notes],
        "values": {"verified": sum([*counts.values()][:2]), **counts}, "second_step": found.second.omitted or "done",
        "rendered": {"compared": rendered.compared, "differs": rendered.problems, "omitted": rendered.omitted},
        "differences": [str(difference) for difference in found.differences], "not_recomputable": left,
    }  # fmt: skip
    return json.dumps(facts, indent=1, sort_keys=True)


def as_statement(found: Verification, created: datetime) -> str:
    """A result without differences as an in-toto statement (Statement v1, svr v0.1) about the manifest, to be signed."""
    holds = {
        "VLM_AUDIT_FILES_AS_IN_MANIFEST": True, "VLM_AUDIT_NUMBERS_RECOMPUTED": bool(found.ledger.verified) and found.end == "VERIFIED",
        "VLM_AUDIT_FILES_AS_RENDERED": bool(found.second.rendered.compared),
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
