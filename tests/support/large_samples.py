"""Results of 60 groups and 15 questions, with every answer's count."""

from dataclasses import replace

from audit.records.counts import CountRecord
from audit.types import Claim
from tests.support import report_samples as samples

COUNTRIES = tuple(f"country {place:02d}" for place in range(60))
QUESTIONS = tuple(f"q{place:02d}" for place in range(15))


def many_groups():
    """Return results with a disparity in four of the questions: one country is right in 62 %, the others in 80 %."""
    audit = samples.fairface()
    raw = [samples.finding(name, Claim("accuracy", ("country",)), "high", rates(place)) for place, name in enumerate(QUESTIONS)]
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
    return samples.results(
        samples.with_evidence(
            replace(
                audit, measurements=tuple(replace(record, name=name) for name in QUESTIONS), findings=findings, verdict=verdict, data=data,
                counts=tuple(map(counted, QUESTIONS)), specifications=(), published=(),
            )
        )
    )  # fmt: skip


def rates(place):
    return {(country,): (248 if place < 4 and i == place else 312 + i % 17, 400) for i, country in enumerate(COUNTRIES)}


def counted(name):
    cells = range(2 * len(COUNTRIES))
    return CountRecord(name, ("country",), (COUNTRIES,), ("yes", "no"), False, tuple(cells), tuple(200 + cell % 7 for cell in cells), ())
