"""Results of 60 groups and 15 questions, with every answer's count."""

from dataclasses import replace

from audit.records.counts import CountRecord
from audit.types import Claim
from tests.support import report_samples as samples

COUNTRIES = tuple(f"country {place:02d}" for place in range(60))
QUESTIONS = tuple(f"q{place:02d}" for place in range(15))


def many_groups():
    """Return results with a disparity in four of the questions: one country is right in 62 %, the others in 80 %.

    From the fifth question on, all have the same counts, and so the same intervals and evidence.
    """
    audit = samples.fairface()
    unnamed = [samples.finding("", Claim("accuracy", ("country",)), "high", rates(place)) for place in range(5)]
    raw = [replace(unnamed[min(i, 4)], id=id_of(name), measurement=name) for i, name in enumerate(QUESTIONS)]
    findings, verdict = samples.concluded(raw)
    record = replace(
        audit.measurements[0],
        truth="y_true",
        labels=("yes", "no"),
        prompts={"yes": (), "no": ()},
        answers={},
        answer_counts={"yes": 1, "no": 1},
    )
    data = replace(audit.data, groups={"country": dict.fromkeys(COUNTRIES, 400)}, exclusions=(), conversions={})
    records = tuple(replace(record, name=name) for name in QUESTIONS)
    audit = replace(audit, verdict=verdict, data=data, counts=tuple(map(counted, QUESTIONS)), specifications=(), published=())
    first = samples.with_evidence(replace(audit, measurements=records[:5], findings=findings[:5]))
    fifth = [each[4] for each in (first.findings, first.measurements, first.evidence.equalized_odds, first.evidence.threshold_curves)]
    evidence = replace(
        first.evidence,
        equalized_odds=(*first.evidence.equalized_odds, *(replace(fifth[2], measurement=name) for name in QUESTIONS[5:])),
        threshold_curves=(*first.evidence.threshold_curves, *(replace(fifth[3], finding=id_of(name)) for name in QUESTIONS[5:])),
    )
    return samples.results(
        replace(
            first,
            findings=(*first.findings, *(replace(finding, evidence=fifth[0].evidence) for finding in findings[5:])),
            measurements=(*first.measurements, *(replace(fifth[1], name=name) for name in QUESTIONS[5:])),
            evidence=evidence,
        )
    )


def id_of(question):
    return f"{question}/accuracy/country"


def rates(place):
    return {(country,): (248 if place < 4 and i == place else 312 + i % 17, 400) for i, country in enumerate(COUNTRIES)}


def counted(name):
    cells = range(2 * len(COUNTRIES))
    return CountRecord(name, ("country",), (COUNTRIES,), ("yes", "no"), False, tuple(cells), tuple(200 + cell % 7 for cell in cells), ())
