"""Gates as JUnit XML, in pytest's format: one test case per gate and finding.

A breach is a failure, and so is a gate that cannot be estimated (except with `--allow-undecided`), was applied to a sample (`--limit`), or
deviates from a plan lock. Questions without a gate are skipped, with the verdict as message, never shown as passed; so is each deviation
from a plan lock. A run that ends early has an error for each gate.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from audit.gates.policy import FAIL_CLOSED, GatePolicy
from audit.records.base import Timing
from audit.records.comparison import Comparisons
from audit.records.gates import GateCheck
from audit.results import AuditResult, Finding, Results
from audit.types import Settings
from reports.text.effects import effect_sentence, planned_effects
from reports.text.gates import change_check_reason, check_reason
from reports.text.phrases import intervals
from reports.text.plan_lock import deviation_lines
from reports.text.reasons import reason

SUITE = "vlm-audit"
# Characters that XML 1.0 cannot contain, and direction marks that could reverse a line of a log.
_UNPRINTABLE = re.compile(
    "[^\t\n\r\u0020-\u007e\u0085\u00a0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]|[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]"
)


def junit_xml(results: Results | Comparisons, policy: GatePolicy = FAIL_CLOSED) -> str:
    """Return the gates of a run, or of a comparison, as JUnit XML; equal results give equal text. `policy` says which outcomes fail."""
    others = (*_deviations(results), *_other_cases(results)) if isinstance(results, Results) else _other_changes(results)
    properties = Element("properties")
    SubElement(properties, "property", name="intervals", value=intervals(results.settings.alpha))
    return _document([*_gate_cases(results, policy), *others], results.timing, properties)


def error_xml(gates: Sequence[str], message: str, timing: Timing) -> str:
    """Return the JUnit XML of a run that ended before its gates could be decided: one error per gate."""
    cases = []
    for gate in gates or ("the whole run",):
        cases.append(Element("testcase", classname=SUITE, name=_printable(gate), time="0.000"))
        SubElement(cases[-1], "error", message=_printable(message)).text = _printable(message)
    return _document(cases, timing)


def _document(cases: Sequence[Element], timing: Timing, properties: Element | None = None) -> str:
    errors, failures, skipped = (str(sum(case.find(kind) is not None for case in cases)) for kind in ("error", "failure", "skipped"))
    suites = Element("testsuites", name=f"{SUITE} tests")
    suite = SubElement(
        suites, "testsuite", name=SUITE, errors=errors, failures=failures, skipped=skipped, tests=str(len(cases)),
        time=f"{timing.wall_s:.3f}", timestamp=_printable(timing.created),
    )  # fmt: skip
    suite.extend([*([] if properties is None else [properties]), *cases])
    indent(suites)
    return f'<?xml version="1.0" encoding="utf-8"?>\n{tostring(suites, encoding="unicode")}\n'


def _gate_cases(results: Results | Comparisons, policy: GatePolicy) -> Iterator[Element]:
    for gate in results.gates:
        for check in gate.checks:
            case = _case(check.model, check.probe, f"{gate.expression} :: {check.finding or 'the whole audit'}")
            _end(case, check, f"{check.outcome}: {_why(check, results)}", fails=policy.fails(check))
            yield case


def _why(check: GateCheck, results: Results | Comparisons) -> str:
    if isinstance(results, Results):
        return check_reason(check, results)
    return next(
        change_check_reason(check, comparison)
        for comparison in results.comparisons
        if (comparison.after, comparison.probe) == (check.model, check.probe)
    )


def _end(case: Element, check: GateCheck, why: str, *, fails: bool) -> None:
    if fails:
        SubElement(case, "failure", message=_printable(why)).text = _printable(why)
    elif check.outcome == "held":
        SubElement(case, "system-out").text = _printable(why)
    else:
        SubElement(case, "skipped", type=check.outcome, message=_printable(why))


def _deviations(results: Results) -> Iterator[Element]:
    """Yield a case for each deviation from the plan lock."""
    for audit in results.audits:
        for line in deviation_lines(audit, results):
            case = _case(audit.model.name, audit.probe.name, f"plan lock :: {line}")
            SubElement(case, "skipped", type="deviation", message=_printable(line))
            yield case


def _other_cases(results: Results) -> Iterator[Element]:
    """Yield the planned questions without a gate."""
    decided = {(check.model, check.probe, check.finding) for gate in results.gates for check in gate.checks}
    for audit in results.audits:
        for finding in audit.findings:
            if finding.primary and (audit.model.name, audit.probe.name, finding.id) not in decided:
                yield _ungated(audit, finding, results.settings)
        for effect in planned_effects(audit):
            if (audit.model.name, audit.probe.name, effect.id) not in decided:
                case = _case(audit.model.name, audit.probe.name, effect.id)
                why = f"no gate; verdict {effect.verdict}: {effect_sentence(effect, results.settings.alpha)}"
                SubElement(case, "skipped", type="no gate", message=_printable(why))
                yield case


def _other_changes(comparisons: Comparisons) -> Iterator[Element]:
    """Yield the planned changes without a gate."""
    decided = {(check.model, check.probe, check.finding) for gate in comparisons.gates for check in gate.checks}
    for comparison in comparisons.comparisons:
        for change in comparison.changes:
            if change.primary and (comparison.after, comparison.probe, change.id) not in decided:
                case = _case(comparison.after, comparison.probe, change.id)
                SubElement(case, "skipped", type="no gate", message=_printable(f"no gate; verdict {change.verdict}"))
                yield case


def _ungated(audit: AuditResult, finding: Finding, settings: Settings) -> Element:
    case = _case(audit.model.name, audit.probe.name, finding.id)
    why = f"no gate; verdict {finding.verdict}: {reason(finding, audit, settings)}"
    SubElement(case, "skipped", type="no gate", message=_printable(why))
    return case


def _case(model: str, probe: str, name: str) -> Element:
    return Element("testcase", classname=_printable(f"{SUITE}.{probe}.{model}"), name=_printable(name), time="0.000")


def _printable(text: str) -> str:
    r"""Return text that XML can contain, with ordinary spaces; other characters are replaced by their numbers, as pytest does.

    Examples
    --------
    >>> _printable("a\x1b[31m\x00")
    'a#x1B[31m#x00'
    """
    return _UNPRINTABLE.sub(lambda match: f"#x{ord(match[0]):02X}", text.replace("\u00a0", " "))
