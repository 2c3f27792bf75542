"""What the person who ran an audit chose: settings that differ from their defaults, with what each of them left out."""

from __future__ import annotations

from collections.abc import Iterator

from audit.records.inputs import CLUSTER_CHOSEN, WEIGHTS_CHOSEN, columns_not_compared
from audit.results import AuditResult, Finding, Results
from audit.types import Exclusion, Settings
from reports.text import phrases
from reports.text.numbers import clean, count, exact_points, in_words, level, short_hash

_DEFAULT = Settings()
_BY_WHOM = "Chosen by the person who ran this audit"
"""Without a plan lock, whether a choice was made before or after seeing results is unknown."""
_IN_LOCK, _IN_PART = "Chosen in the plan lock", "Other than the defaults, locked unless it deviates"
_MOST_LEVELS, _MOST_ATTRIBUTES, _MOST_PROMPTS = 4, 3, 3


def not_compared_phrase(audit: AuditResult) -> str:
    """Name the columns that a choice of attributes left out: ``not compared: race, age (columns of the file)``; or empty."""
    columns = columns_not_compared(audit.data.notes)
    named = phrases.some([clean(column) for column in columns])
    return f"not compared: {named} (column{'s' * (len(columns) > 1)} of the file)" if columns else ""


def choices_sentence(audit: AuditResult, results: Results) -> str:
    """Name every choice that differs from its default, with what it left out, if any."""
    chosen = [*_probe(audit), *_label_map(audit), *_rules(audit, results.settings), *_columns(audit), *map(_excluded, _lists(audit))]
    deviates = results.lock is not None and (results.lock.deviations or audit.lock is None or audit.lock.deviations)
    whose = _BY_WHOM if results.lock is None else _IN_PART if deviates else _IN_LOCK
    return f"{whose}: {'; '.join(chosen)}." if chosen else ""


def _probe(audit: AuditResult) -> Iterator[str]:
    """Name a probe that does not come with the program, and some of its prompts: it may ask anything in any words."""
    made = audit.probe.made
    if made is None or made.origin == "program":
        return
    name = f"{clean(made.file or 'of a file')} (sha256 {short_hash(made.sha256 or '')})" if made.origin == "file" else "made in Python"
    prompts = [text for record in audit.measurements for label in record.labels for text in record.prompts.get(label, ())[:1]]
    such_as = f" (“{'”, “'.join(map(clean, prompts[:_MOST_PROMPTS]))}”{', …' if len(prompts) > _MOST_PROMPTS else ''})" if prompts else ""
    chosen = "questions and tolerances" if audit.model.labels else f"questions, tolerances and prompts{such_as}"
    yield f"the probe {name}, with its {chosen}"


def _label_map(audit: AuditResult) -> Iterator[str]:
    """Say how many labels of a classifier count as an answer of another name."""
    mapped = {label for record in audit.measurements for label in record.answers} if audit.model.labels else set()
    if mapped:
        yield f"what {in_words(len(mapped), 'label')} of the classifier mean{'s' * (len(mapped) == 1)} (--label-map)"


def tolerance_origin(finding: Finding, audit: AuditResult, settings: Settings) -> str:
    """Say where the tolerance of a finding is from: the plan lock, the probe, the default, or the person who ran the audit."""
    if audit.lock is not None and finding.id in audit.lock.planned:
        return "of the plan lock"
    if finding.tolerance != settings.tolerance or finding.ratio_tolerance not in (None, settings.ratio_tolerance):
        return "set by the probe"
    chosen = finding.tolerance != _DEFAULT.tolerance or finding.ratio_tolerance not in (None, _DEFAULT.ratio_tolerance)
    return "chosen by the person who ran this audit" if chosen else "default"


def _rules(audit: AuditResult, settings: Settings) -> Iterator[str]:
    if settings.tolerance != _DEFAULT.tolerance:
        yield f"a tolerance of {exact_points(settings.tolerance)} (default {exact_points(_DEFAULT.tolerance).split()[0]})"
    if settings.ratio_tolerance not in (None, _DEFAULT.ratio_tolerance):
        yield f"a tolerance in ratio of {settings.ratio_tolerance:g} (default {_DEFAULT.ratio_tolerance:g})"
    if settings.alpha != _DEFAULT.alpha:
        yield f"intervals at {level(settings.alpha)} (default {level(_DEFAULT.alpha)})"
    if settings.min_group_size != _DEFAULT.min_group_size:
        size = in_words(settings.min_group_size, "image")
        yield f"a minimum group size of {size} (default {_DEFAULT.min_group_size}; {_sizes(audit, settings)})"


def _sizes(audit: AuditResult, settings: Settings) -> str:
    """Name the groups of single attributes that some questions judge, or do not judge, because of the chosen smallest group."""
    least, most = sorted((_DEFAULT.min_group_size, settings.min_group_size))
    cells = [cell for finding in audit.findings if len(finding.attributes) == 1 for cell in finding.by_group if least <= cell.n < most]
    largest = {cell.group: cell.n for cell in sorted(cells, key=lambda cell: cell.n)}
    if not cells:
        return "it changes nothing for single attributes"
    named = phrases.some([f"{phrases.group(group)} (n = {count(n)})" for group, n in largest.items()])
    return f"because of it, some questions {'do not judge' if most == settings.min_group_size else 'judge'} {named}"


def _columns(audit: AuditResult) -> Iterator[str]:
    for note in audit.data.notes:
        values = {name: value if isinstance(value, tuple) else (value,) for name, value in note.values.items()}
        if note.code in ("attributes_chosen", "attributes_of_probe_chosen"):
            yield f"the attribute{'s' * (len(values['attributes']) > 1)} {_listed(values['attributes'])}"
        elif note.code == "binned":
            yield f"groups of {_listed(values['column'])}: {_listed(values['levels'])}"
        elif note.code == "log_chosen_samples":
            found, total = (count(int(values[name][0])) for name in ("found", "total"))
            yield f"{found} of the {total} samples of the data set, by {_listed(values['by'])}"
        elif note.code == CLUSTER_CHOSEN:
            yield f"the clusters in {_listed(values['column'])} (default: every image is a sampling unit)"
        elif note.code == WEIGHTS_CHOSEN:
            yield f"the weights in {_listed(values['column'])} (default: every image counts once)"
        elif note.code == "outcomes_chosen":
            yield f"the outcome{'s' * (len(values['outcomes']) > 1)} {_listed(values['outcomes'])}"
        elif note.code == "depth_chosen":
            yield f"intersections of up to {in_words(int(values['depth'][0]), 'attribute')} (default {values['default'][0]})"


def _listed(values: tuple[object, ...]) -> str:
    return phrases.some([clean(str(value)) for value in values])


def _lists(audit: AuditResult) -> Iterator[Exclusion]:
    return (exclusion for exclusion in audit.data.exclusions if not isinstance(exclusion.reason, str) and exclusion.reason.code == "listed")


def _excluded(exclusion: Exclusion) -> str:
    """Say how many images a list excludes, which list, and from which groups."""
    values = {} if isinstance(exclusion.reason, str) else exclusion.reason.values
    sha256 = f" (sha256 {short_hash(str(values['sha256']))})" if "sha256" in values else ""
    by = [_by_level(name, levels) for name, levels in sorted(exclusion.by_group.items())[:_MOST_ATTRIBUTES] if levels]
    groups = f", by {', by '.join(by)}" if by else ""
    return f"{in_words(exclusion.count, 'image')} left out by {clean(str(values.get('list', 'a list')))}{sha256}{groups}"


def _by_level(name: str, levels: object) -> str:
    largest = sorted(dict(levels).items(), key=lambda entry: (-entry[1], entry[0]))  # type: ignore[call-overload]
    more = f" and {in_words(len(largest) - _MOST_LEVELS, 'more group')}" if len(largest) > _MOST_LEVELS else ""
    return f"{clean(name)} ({', '.join(f'{clean(str(level))} {count(n)}' for level, n in largest[:_MOST_LEVELS])}{more})"
