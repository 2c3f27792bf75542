"""Sentences about a plan lock: that an audit was run under it, and every deviation from it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from audit.predictions.answers import Y_TRUE
from audit.records.plan_lock import PRESENT, LockDeviation, PlanLock, RunLock
from audit.results import AuditResult, Results
from audit.types import Group
from reports.text import phrases
from reports.text.numbers import clean, count, exact_points, in_words, lower_first, short_hash, upper_first
from reports.text.sentences import subject_of, truth_of

_ONLY_ITS_DATE = "Only a signature or a commit of the lock shows that it is older than the answers."
_FIELDS = {
    "software": "program version", "code_sha256": "program code (sha256)", "alpha": "error rate (alpha)", "draws": "draws of the tests",
    "seed": "random seed", "min_group_size": "minimum group size", "max_skip": "largest share of unreadable images", "limit": "sample size",
    "gates": "gates", "models": "model", "source_sha256": "file of the probe (sha256)", "clusters": "column of clusters",
    "weights": "column of weights", "family": "questions that p is adjusted over", "family_size": "number of planned questions",
    "exploratory": "exploratory comparisons", "texts": "texts besides the prompts of the questions", "data.fingerprint": "data (sha256)",
    "data.images": "number of images", "data.table": "table of predictions", "data.table.rows": "rows of the table",
    "data.table.identified": "rows with identifiers",
}  # fmt: skip
_OF_CLAIMS = {
    "tolerance": "tolerance", "ratio_tolerance": "tolerance in ratio", "better": "direction", "metric": "metric", "outcome": "outcome",
    "attributes": "attributes", "measurement": "measurement", "order": "order of levels",
}  # fmt: skip
_NONE = {"limit": "all images", "models": "not audited", "source_sha256": "none", "probes": "absent", "claims": "not planned"}
_ADDED = {"gates": "gate", "exploratory": "comparison", "texts": "text"}
"""Lists of which the entries that one side lacks are named."""
_MOST = 5


def lock_sentences(audit: AuditResult, results: Results) -> tuple[str, ...]:
    """Say under which lock an audit was run, and then each deviation from it; empty without a lock."""
    if results.lock is None:
        return ()
    lines = deviation_lines(audit, results)
    if not lines:
        return (f"{_named_lock(results.lock)}: this audit does not deviate from it. {_ONLY_ITS_DATE}",)
    return (f"{_named_lock(results.lock)}: {in_words(len(lines), 'deviation')}. {_consequence(audit)}{_ONLY_ITS_DATE}", *lines)


def lock_sentences_of_run(results: Results) -> tuple[str, ...]:
    """Say the same of several audits: a deviation that not all of them share names those that have it."""
    if results.lock is None:
        return ()
    whose: dict[str, list[str]] = {}
    for audit in results.audits:
        for line in deviation_lines(audit, results):
            whose.setdefault(line, []).append(phrases.audit_name(audit))
    lines = [line if len(names) == len(results.audits) else f"{phrases.some(names)}: {lower_first(line)}" for line, names in whose.items()]
    counted = in_words(len(lines), "deviation") if lines else "no audit deviates from it"
    return (f"{_named_lock(results.lock)}: {counted}. {_ONLY_ITS_DATE}", *lines)


def _named_lock(lock: RunLock) -> str:
    by = f"planned by {clean(lock.who)}" if lock.who else "who planned it is not stated"
    return f"Plan lock {short_hash(lock.sha256)} ({by}, {clean(lock.created[:10])})"


def stated(lock: RunLock | PlanLock) -> str:
    """Return what the person who planned stated in words."""
    parts = (("Why", lock.why), ("Stopping rule", lock.stopping_rule))
    return " ".join(f"{name}: {clean(text).rstrip('.') if text else 'not stated'}." for name, text in parts)


def _consequence(audit: AuditResult) -> str:
    if audit.lock is None or not audit.lock.missing:
        return ""
    asked, left_out = len(audit.lock.exploratory), len(audit.lock.not_asked)
    total = in_words(len(audit.lock.planned) + asked + left_out, "locked question")
    parts = [f"{asked} of {total} {'is' if asked == 1 else 'are'} exploratory because of them"] * bool(asked)
    parts += [f"{left_out} of {total} {'was' if left_out == 1 else 'were'} not asked"] * bool(left_out)
    return f"{', '.join(parts)}. "


def deviation_lines(audit: AuditResult, results: Results) -> tuple[str, ...]:
    """Return each deviation of an audit, and of its run, as a line; equal ones of several questions share one."""
    if results.lock is None or audit.lock is None:
        return ()
    lines = [_line(deviation, audit) for deviation in results.lock.deviations]
    grouped: dict[tuple[str, ...], list[LockDeviation]] = {}
    for deviation in audit.lock.deviations:
        grouped.setdefault(_alike(deviation), []).append(deviation)
    lines += [_line(same[0], audit) if len(same) == 1 else _together(same, audit) for same in grouped.values()]
    return tuple(lines)


def _alike(deviation: LockDeviation) -> tuple[str, ...]:
    """What deviations have in common that are said in one line."""
    path = deviation.field
    if path[0] == "prompts":
        return path[:2]
    if path[0] == "claims":
        return (path[0], path[-1] if len(path) > 2 else "", repr(deviation.locked), repr(deviation.actual))
    return path


def _line(deviation: LockDeviation, audit: AuditResult) -> str:
    return f"{upper_first(_title(deviation.field, audit))}: {_change(deviation, audit)}."


def _together(same: Sequence[LockDeviation], audit: AuditResult) -> str:
    path = same[0].field
    if path[0] == "prompts":
        prompts = [text for deviation in same for text in _prompts(deviation.field, audit)][:2]
        such_as = f", such as {' and '.join(f'“{clean(text)}”' for text in prompts)}" if prompts else ""
        return f"Prompts of {in_words(len(same), 'label')} in {clean(path[1])}: not those with the locked sha256{such_as}."
    name = _OF_CLAIMS.get(path[-1], "question") if len(path) > 2 else "question"
    what = f"{name} of {in_words(len(same), 'question')}" if len(path) > 2 else in_words(len(same), "question")
    named = phrases.some([_question(deviation.field[1], audit) for deviation in same])
    return f"{upper_first(what)} ({named}): {_change(same[0], audit)}."


def _title(path: Group, audit: AuditResult) -> str:
    """Name a field of the lock."""
    if path[0] == "claims":
        question = _question(path[1], audit)
        return f"question {question}" if len(path) == 2 else f"{_OF_CLAIMS.get(path[2], clean(path[2]))} of {question}"
    if path[0] in ("prompts", "questions"):
        label = f" of ‘{clean(path[2])}’" if len(path) > 2 else ""
        return f"{'prompts' if path[0] == 'prompts' else 'question to the model'}{label} in {clean(path[1])}"
    if path[0] in ("probes", "bins"):
        return f"{'probe' if path[0] == 'probes' else 'groups of'} {clean(path[1]) if len(path) > 1 else ''}".rstrip()
    if path[:2] == ("data", "exclusions"):
        return f"images left out{f' ({clean(path[2])})' if len(path) > 2 else ''}"
    if path[:3] == ("data", "table", "columns"):
        return f"{'true answers in ' * (path[3].partition(':')[0] == Y_TRUE)}column {clean(path[3])}"
    return _FIELDS.get(".".join(path), clean(" ".join(path)))


def _question(name: str, audit: AuditResult) -> str:
    """Name a question: as elsewhere if it was asked, otherwise by the parts of its id."""
    finding = next((finding for finding in audit.findings if finding.id == name), None)
    if finding is not None:
        return clean(f"{lower_first(subject_of(finding, truth_of(finding, audit)))} by {phrases.attributes(finding.attributes)}")
    measurement, _, rest = name.partition("/")
    metric, _, by = rest.rpartition("/")
    return clean(f"{measurement} {metric.replace('_', ' ')} by {by}" if metric else name)


def _change(deviation: LockDeviation, audit: AuditResult) -> str:
    path, locked, actual = deviation.field, deviation.locked, deviation.actual
    if deviation.rows is not None:
        return _rows(deviation)
    if path[0] == "prompts" and len(path) > 2 and actual is not None:
        texts = " and ".join(f"“{clean(text)}”" for text in _prompts(path, audit)[:2])
        return f"locked sha256 {_shown(path, locked)}, actual {texts or _shown(path, actual)}"
    if path[-1] in _ADDED and isinstance(locked, tuple) and isinstance(actual, tuple):
        return _lists(path[-1], locked, actual)
    if path[0] == "claims" and len(path) == 2 and actual is None:
        asked = audit.lock is not None and path[1] in audit.lock.exploratory
        return f"locked as planned, actually {'exploratory' if asked else 'not asked'}"
    return f"locked {_shown(path, locked)}, actual {_shown(path, actual)}"


def _rows(deviation: LockDeviation) -> str:
    """How many rows of a table differ."""
    rows = in_words(deviation.rows or 0, "row")
    if deviation.locked is None or deviation.actual is None:
        return f"{'not locked' if deviation.locked is None else 'locked, and not used by this audit'} ({rows})"
    if deviation.field[-1] == "rows":
        return f"at least {deviation.rows:,} changed, added or left out"
    return f"at least {rows} changed"


def _lists(kind: str, locked: Sequence[object], actual: Sequence[object]) -> str:
    def named(these: Sequence[object]) -> str:
        return phrases.some([clean(short_hash(str(one)) if kind == "texts" else str(one)) for one in these])

    gone, new = [one for one in locked if one not in actual], [one for one in actual if one not in locked]
    parts = [f"locked and not asked: {named(gone)}"] * bool(gone) + [f"not locked: {named(new)}"] * bool(new)
    return "; ".join(parts) or "in another order"


def _prompts(path: Group, audit: AuditResult) -> tuple[str, ...]:
    """The prompts of a label, as the model was given them."""
    record = next((record for record in audit.measurements if record.name == path[1]), None)
    prompts: Mapping[str, tuple[str, ...]] = record.prompts if record else {}
    return tuple(prompts.get(path[2], ())) if len(path) > 2 else ()


_VALUES: Mapping[str, Callable[[float], str]] = {
    "tolerance": exact_points, "ratio_tolerance": "{:g}".format, "max_skip": lambda share: f"{100 * share:g}\u00a0%",
    "draws": lambda n: count(int(n)), "images": lambda n: count(int(n)), "limit": lambda n: count(int(n)),
}  # fmt: skip


def _shown(path: Group, value: object) -> str:
    """A value of a field in words."""
    if value is None:
        return "none" if path[0] == "claims" and len(path) > 2 else _NONE.get(path[0], "none")
    if isinstance(value, tuple):
        hashes = path[0] in ("prompts", "texts")
        return phrases.some([short_hash(str(part)) if hashes else _named_model(str(part)) for part in value]) or "none"
    if value == PRESENT:
        return "planned" if path[0] == "claims" else PRESENT
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return _VALUES.get(path[-1], "{:g}".format)(value)
    text = str(value)
    return short_hash(text) if path[-1].endswith(("sha256", "fingerprint")) or path[0] == "questions" else _named_model(text)


def _named_model(text: str) -> str:
    """A text, with the hash of a model in it shortened."""
    return " · ".join(short_hash(part) if len(part) == 64 else clean(part) for part in text.split(" · "))


# ---- the lock itself -----------------------------------------------------------------------------------------------------------------


def written_lines(lock: PlanLock, sha256: str, path: str) -> Iterator[str]:
    """Yield what the command says about the lock that it wrote."""
    for name, probe in lock.probes.items():
        asked = f"{in_words(len(probe.claims), 'planned question')}, {in_words(len(probe.exploratory), 'exploratory comparison')}"
        yield f"probe {name}: {asked}, {in_words(probe.data.images, 'image')} of data {short_hash(probe.data.fingerprint)}"
        if probe.data.table is not None:
            whose = "each row, by its identifier" if probe.data.table.identified else "the rows together, which have no identifiers"
            yield f"covers {', '.join(map(clean, sorted(probe.data.table.columns)))} of {whose}; not the answers"
    models = "any" if lock.models == "any" else ", ".join(f"{model.name} {short_hash(model.sha256)}".rstrip() for model in lock.models)
    yield f"model: {models}"
    yield f"planned by: {lock.who or 'not stated'}. {stated(lock)}"
    yield f"sha256 {sha256}"
    yield f"{path}: sign or commit it before the run, then give it to the run: vlm-audit run … --lock {path}"
