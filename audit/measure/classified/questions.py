"""The questions of a probe that an image classifier can answer, in terms of its own labels.

A label means the answer that the label map names, else the answer of the same name. Labels that mean no answer of a question are left out
of it: the answer is that of its most probable label among the others, and probabilities are among those.
"""

from __future__ import annotations

import difflib
import tomllib
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from audit.answers import answers_of
from audit.errors import DataError, UsageError, nearest
from audit.measure.label_sets import COMMON_KIND
from audit.naming import finding_id
from audit.types import Claim, Group, LabelSet, Measurement, Note, Probe
from strictio.files import read_text

# ``--label-map``: a small table that says which label of an image classifier means which answer of a probe.


MOST_ROWS, MOST_BYTES = 100_000, 2**24
OTHER = "other"
"""An answer that counts as none of the probe's, for a label that competes with the others but means none of them."""
FORM = "a CSV table with the columns label and answer (and, if needed, measurement), or TOML lines such as man = 'Male'"


@dataclass(frozen=True)
class MappedLabel:
    """One row of the table."""

    label: str
    """A label of the classifier; empty: no label means `answer`."""
    answer: str
    """An answer of the probe, one of its outcomes, a query of a ranking, or `OTHER`; empty: the label is left out."""
    measurement: str | None = None
    """The measurement that the row is about; None: all."""


LabelMap = tuple[MappedLabel, ...]


def read_label_map(source: Path | Mapping[str, str] | None) -> LabelMap:
    """Read a table, or a mapping of labels to answers; None is an empty table. Raises DataError if it cannot be read."""
    if source is None:
        return ()
    if isinstance(source, Mapping):
        return tuple(MappedLabel(label, answer) for label, answer in source.items())
    rows = _toml_rows(source) if source.suffix.lower() == ".toml" else _table_rows(source)
    if not rows or not any(row.label for row in rows):
        raise DataError(f"{str(source)!r} maps no label", where="--label-map", fix=f"give {FORM}")
    if twice := next((row for row in rows if rows.count(row) > 1), None) if len(rows) <= 1000 else None:
        raise DataError(f"{str(source)!r} has a row twice: {twice.label!r}, {twice.answer!r}", where="--label-map", fix="leave one out")
    return rows


def _table_rows(path: Path) -> LabelMap:
    from strictio.tables.read import read_table

    table = read_table(path).columns
    names = {name.strip().casefold(): name for name in table.column_names}
    if missing := [name for name in ("label", "answer") if name not in names]:
        why = f"its columns are {', '.join(map(repr, table.column_names))}"
        raise DataError(f"no column {missing[0]!r} in {str(path)!r}", where="--label-map", why=why, fix=f"give {FORM}")
    if len(table) > MOST_ROWS:
        raise DataError(f"{str(path)!r} has {len(table):,} rows", where="--label-map", fix=f"at most {MOST_ROWS:,}")
    columns = [table[names[name]].to_pylist() if name in names else [""] * len(table) for name in ("label", "answer", "measurement")]
    rows = zip(*([(cell or "").strip() for cell in column] for column in columns), strict=True)
    return tuple(MappedLabel(label, answer, measurement or None) for label, answer, measurement in rows)


def _toml_rows(path: Path) -> LabelMap:
    try:
        content = tomllib.loads(read_text(path, MOST_BYTES, "utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(
            f"cannot read {str(path)!r}",
            where="--label-map",
            why=(getattr(error, "strerror", None) or str(error))[:200],
            fix=f"give {FORM}",
        ) from error
    return tuple(_entries(content, None, path))


def _entries(content: Mapping[str, Any], measurement: str | None, path: Path) -> Iterator[MappedLabel]:
    for label, value in content.items():
        if isinstance(value, dict) and measurement is None:
            yield from _entries(value, label, path)
            continue
        for answer in value if isinstance(value, list) else [value]:
            if not isinstance(answer, str):
                what = f"{str(path)!r} maps the label {label[:80]!r} to a value of type {type(answer).__name__}"
                raise UsageError(what, where="--label-map", fix=f"give {FORM}")
            yield MappedLabel(label, answer, measurement)


SHOWN = 8
"""Maximum number of names that a message lists."""


class _Meaning(NamedTuple):
    """What the labels of a classifier mean in one measurement."""

    answers: Mapping[str, str]
    """label -> an answer, an outcome, or `OTHER`."""
    declared: frozenset[str]
    """Answers that no label means, according to the label map."""


@dataclass(frozen=True)
class ClassifiedProbe:
    """A probe as an image classifier can answer it."""

    probe: Probe
    """Label sets consist of labels of the classifier; measurements and claims that it cannot answer are left out."""
    notes: tuple[Note, ...]
    """What was left out and why, and what labels mean."""
    answers: Mapping[str, Group]
    """measurement -> its possible answers, including those that no label means."""


def classified_probe(probe: Probe, labels: Group, label_map: LabelMap = ()) -> ClassifiedProbe:
    """Turn a probe into one for a classifier with these labels.

    Raises UsageError if the label map names an unknown label, answer or measurement, if the truth of a question has answers that no label
    means (and the label map does not say so), or if no question is left.
    """
    if probe.not_for_classifiers:
        raise UsageError(f"the probe {probe.name!r} is not for image classifiers", fix=probe.not_for_classifiers)
    _check_map(probe, labels, label_map)
    fitted: list[Measurement] = []
    notes: list[Note] = []
    answers: dict[str, Group] = {}
    for measurement in probe.measurements:
        meaning = _meaning(measurement, labels, label_map)
        reason = _reason(measurement, meaning, labels)
        if reason is None or reason.code == "classifier_one_answer":
            _check_complete(measurement, meaning, labels)
        if reason is not None:
            notes.append(reason)
            continue
        own, answers[measurement.name] = _in_labels(measurement, meaning, labels)
        fitted.append(own)
        notes += _meaning_notes(measurement, own, meaning, labels)
    measurements = _asked_once(fitted)
    if not measurements:
        raise _nothing_fits(probe, labels, notes)
    again = [own.name for own in fitted if own.name not in {kept.name for kept in measurements}]
    notes = [note for note in notes if note.values["measurement"] not in again]
    notes += [Note("classifier_asked_already", {"measurement": name}) for name in again]
    return ClassifiedProbe(_restricted(probe, measurements), tuple(notes), answers)


# ---- what labels mean ------------------------------------------------------------------------------------------------------------------


def _targets(measurement: Measurement) -> dict[str, str]:
    """Every name that a label may have or be mapped to: answers, then labels of the probe, then outcomes.

    With a true answer, an outcome of several answers is not asked: it would be neither right nor wrong.
    """
    answers = answers_of(measurement.label_set)
    outcomes = {
        outcome: own[0] if len(own) == 1 else outcome
        for outcome, own in measurement.outcomes.items()
        if len(own) == 1 or measurement.truth is None
    }
    return {
        **outcomes,
        **measurement.label_set.answers,
        **{answer: answer for answer in answers},
    }


def _queries(probe: Probe) -> set[str]:
    return {query for plan in probe.analyses for query in getattr(plan, "queries", ())}


def _check_map(probe: Probe, labels: Group, label_map: LabelMap) -> None:
    """Raise UsageError for a name in the label map that neither the classifier nor the probe has."""
    named = {measurement.name: _targets(measurement) for measurement in probe.measurements}
    for row in label_map:
        if row.label and row.label not in labels:
            raise _unknown(f"the classifier has no label {row.label!r}", row.label, labels)
        if row.measurement is not None and row.measurement not in named:
            raise _unknown(f"the probe {probe.name!r} has no measurement {row.measurement!r}", row.measurement, named)
        targets = (
            named[row.measurement] if row.measurement is not None else dict.fromkeys(name for known in named.values() for name in known)
        )
        if row.answer and row.answer not in {*targets, OTHER, *_queries(probe)}:
            raise _unknown(f"the probe {probe.name!r} has no answer {row.answer!r}", row.answer, targets)


def _unknown(what: str, name: str, known: Collection[str]) -> UsageError:
    if len(known) <= SHOWN:
        return UsageError(what, where="--label-map", fix=nearest(name, known))
    close = difflib.get_close_matches(name, known, cutoff=0.5)
    shown = ", ".join(map(repr, close or sorted(known)[:SHOWN]))
    return UsageError(what, where="--label-map", fix=f"did you mean {shown}?" if close else f"some of {len(known):,}: {shown}")


def _meaning(measurement: Measurement, labels: Group, label_map: LabelMap) -> _Meaning:
    targets = _targets(measurement)
    rows = [row for row in label_map if row.measurement in (None, measurement.name)]
    mapped: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        mapped[row.label].append(row.answer)
    answers = {}
    for label in labels:
        own = [targets.get(answer, answer) for answer in mapped.get(label, [label]) if answer in targets or answer == OTHER]
        if len(set(own)) > 1:
            what = f"the label {label!r} means {' and '.join(map(repr, dict.fromkeys(own)))} in {measurement.name!r}"
            raise UsageError(what, where="--label-map", fix="give one row per label and measurement")
        if own:
            answers[label] = own[0]
    return _Meaning(answers, frozenset(targets.get(answer, answer) for answer in mapped.get("", ())))


def _reason(measurement: Measurement, meaning: _Meaning, labels: Group) -> Note | None:
    """Why a classifier cannot answer a measurement; None if it can."""
    named = {"measurement": measurement.name}
    if measurement.retrieval is not None:
        return Note("classifier_reads_no_query", named)
    if measurement.kind != COMMON_KIND or measurement.options is not None:
        return Note("classifier_reads_no_text", named)
    if len(set(meaning.answers.values()) - {OTHER}) == 0:
        close = _close([label for label in labels if label not in meaning.answers], _targets(measurement))
        return Note("classifier_no_label", {**named, "answers": _some(answers_of(measurement.label_set)), "close": close})
    if len({*meaning.answers.values()}) < 2:
        return Note("classifier_one_answer", {**named, "answer": next(iter(meaning.answers.values()))})
    return None


def _check_complete(measurement: Measurement, meaning: _Meaning, labels: Group) -> None:
    """Raise UsageError if a question with a true answer has answers that no label means, unless the label map says so."""
    if measurement.truth is None:
        return
    answers = answers_of(measurement.label_set)
    reached = {*meaning.answers.values()} | meaning.declared
    if missing := [answer for answer in answers if answer not in reached]:
        unmapped = [label for label in labels if label not in meaning.answers]
        close = _close(unmapped, missing)
        raise UsageError(
            f"no label of the classifier means {', '.join(map(repr, missing[:SHOWN]))} in {measurement.name!r}",
            why=f"labels without an answer: {', '.join(_some(unmapped)) or 'none'}{'; ' + '; '.join(close) if close else ''}",
            fix=f"--label-map FILE, {FORM}; a row with an empty label says that no label means its answer",
        )


def _close(labels: Sequence[str], targets: Collection[str]) -> Group:
    """Labels whose names are nearly those of answers: "male, as in 'Male'"."""
    folded = {target.casefold(): target for target in targets}
    pairs = []
    for label in labels if len(labels) * len(folded) <= 10**6 else ():
        match = difflib.get_close_matches(label.casefold(), folded, n=1, cutoff=0.8)
        pairs += [f"{label!r} may mean {folded[match[0]]!r}"] if match else []
    return tuple(pairs[:SHOWN])


def _some(names: Sequence[str]) -> Group:
    """The first names, and how many more there are."""
    return (*names[:SHOWN], *([f"and {len(names) - SHOWN:,} more"] if len(names) > SHOWN else []))


def _nothing_fits(probe: Probe, labels: Group, notes: Sequence[Note]) -> UsageError:
    if one := next((note for note in notes if note.code == "classifier_one_answer"), None):
        what = f"all labels of this classifier mean one answer of {one.values['measurement']!r}: {one.values['answer']!r}"
        return UsageError(what, where="--label-map", why="a question needs at least two answers", fix=f"give {FORM}")
    targets = dict.fromkeys(name for measurement in probe.measurements for name in _targets(measurement))
    listed = [f"its labels are {', '.join(_some(labels))}", f"answers and outcomes are {', '.join(_some([*targets]))}"]
    why = "; ".join((*listed, *_close(labels, targets)))
    return UsageError(f"no label of this classifier means an answer of the probe {probe.name!r}", why=why, fix=f"--label-map FILE, {FORM}")


# ---- the questions in terms of labels --------------------------------------------------------------------------------------------------


def _in_labels(measurement: Measurement, meaning: _Meaning, labels: Group) -> tuple[Measurement, Group]:
    """The measurement with a label set of the classifier's labels, and its possible answers."""
    used = tuple(label for label in labels if label in meaning.answers)
    given = {*meaning.answers.values()}
    answers = answers_of(measurement.label_set)
    ordered = (*(answer for answer in answers if answer in given), *(name for name in measurement.outcomes if name in given - {*answers}))
    ordered = (*ordered, *({OTHER} & given - {*ordered}))
    # Answers in the probe's order: ties go to the first.
    used = tuple(sorted(used, key=lambda label: ordered.index(meaning.answers[label])))
    label_set = LabelSet(
        measurement.label_set.name, used, dict.fromkeys(used, ()),
        {label: answer for label in used if (answer := meaning.answers[label]) != label},
    )  # fmt: skip
    outcomes = {name: _counting(measurement, name, ordered) for name in measurement.outcomes}
    kept = {name: counting for name, counting in outcomes.items() if counting and len(counting) < len(ordered)}
    claims = tuple(claim for claim in measurement.claims if claim.outcome is None or claim.outcome in kept)
    possible = ordered if measurement.truth is None else (*ordered, *(answer for answer in answers if answer in meaning.declared))
    own = replace(measurement, label_set=label_set, outcomes=kept, claims=claims, preset="labels of the classifier", asked=None)
    return own, possible


def _counting(measurement: Measurement, outcome: str, answers: Group) -> Group:
    """The answers that count as an outcome: its own, and outcomes that are a part of it."""
    own = {*measurement.outcomes[outcome]}
    parts = {name for name, part in measurement.outcomes.items() if own.issuperset(part)}
    offered = {*answers_of(measurement.label_set)}
    return tuple(answer for answer in answers if answer in own or (answer in parts and answer not in offered))


def _asked_once(measurements: Sequence[Measurement]) -> tuple[Measurement, ...]:
    """Without claims that an earlier measurement, or one with a planned claim, asks with other prompts: to a classifier they are equal."""
    first: dict[tuple[object, ...], tuple[str, Claim]] = {}
    for planned in (True, False):
        for measurement in measurements:
            for claim in (claim for claim in measurement.claims if claim.primary is planned):
                first.setdefault(_question(measurement, claim), (measurement.name, claim))
    kept = [
        replace(own, claims=tuple(claim for claim in own.claims if first[_question(own, claim)] == (own.name, claim)))
        for own in measurements
    ]  # fmt: skip
    return tuple(own for own in kept if own.claims)


def _question(measurement: Measurement, claim: Claim) -> tuple[object, ...]:
    """What makes a claim the same question to a classifier, apart from prompts."""
    counting = frozenset(measurement.outcomes.get(claim.outcome or "", ()))
    meaning = frozenset((label, measurement.label_set.answers.get(label, label)) for label in measurement.label_set.labels)
    return meaning, measurement.truth, measurement.only, counting, claim.metric, claim.by


def _meaning_notes(measurement: Measurement, own: Measurement, meaning: _Meaning, labels: Group) -> list[Note]:
    named, notes = {"measurement": measurement.name}, []
    if left := [label for label in labels if label not in meaning.answers]:
        notes.append(Note("classifier_labels_left_out", {**named, "labels": _some(left), "count": len(left), "of": len(labels)}))
    if meaning.declared:
        notes.append(Note("classifier_answers_without_label", {**named, "answers": _some(sorted(meaning.declared))}))
    dropped = dict.fromkeys(
        claim.outcome for claim in measurement.claims if claim.outcome is not None and claim.outcome not in own.outcomes
    )
    if dropped:
        notes.append(Note("classifier_outcomes_left_out", {**named, "outcomes": _some([*dropped])}))
    return notes


def _restricted(probe: Probe, measurements: tuple[Measurement, ...]) -> Probe:
    """The probe with these measurements, without what depends on prompts."""
    ids = {finding_id(m.name, claim) for m in measurements for claim in m.claims}
    named = {m.name: m for m in measurements}
    paired = tuple(
        pair for pair in probe.paired
        if (own := named.get(pair.measurement)) and (own.truth is not None if pair.outcome is None else pair.outcome in own.outcomes)
    )  # fmt: skip
    published = tuple(
        table for table in probe.published if all(cell is None or cell.finding in ids for row in table.rows for cell in row.ours)
    )
    analyses = tuple(plan for plan in probe.analyses if getattr(plan, "measurement", None) in (None, *named))
    return replace(
        probe, measurements=measurements, specifications=(), what_ifs=(), paired=paired, published=published, analyses=analyses,
        limits=_without_prompts(probe.limits), not_tested=_without_prompts(probe.not_tested),
    )  # fmt: skip


def _without_prompts(sentences: Group) -> Group:
    """Sentences without those about prompts, which a classifier does not read."""
    return tuple(sentence for sentence in sentences if "prompt" not in sentence.casefold())
