"""What was fixed before the result, which runs came before, what the change does not reach, and how to use the changed model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from audit.extensions.mitigate import sentences as text
from audit.extensions.mitigate.record import Mitigation
from reports.provenance import written_date
from reports.table import Row, Table
from reports.text.comparison import NOT_A_CERTIFICATE

_EARLIER = ("Date", "Probe", "Question", "Method", "Outcome")


@dataclass(frozen=True)
class PlanView:
    """The plan, and earlier runs on the same data."""

    rows: Sequence[tuple[str, str]]
    created: str
    earlier: Table | None
    unknown: bool
    """Whether earlier runs are not known."""


def view(facts: Mitigation) -> PlanView:
    """Return the plan."""
    runs = tuple(
        Row((written_date(run.created), run.probe, run.question, text.method_name(run.method), run.outcome or "did not end"))
        for run in facts.earlier or ()
    )
    caption = "Earlier runs on the same data on this machine"
    table = Table(caption, caption, _EARLIER, runs) if runs else None
    return PlanView(text.plan_rows(facts), written_date(facts.plan.created), table, facts.earlier is None)


@dataclass(frozen=True)
class LimitsView:
    """What the change does not reach, and the limits of the probe."""

    probe: str
    unchanged: Sequence[str]
    limits: Sequence[str]


def limits_view(facts: Mitigation, *, training: bool) -> LimitsView | None:
    """Return the limits of a training, or of a map."""
    if training == (facts.plan.training is None):
        return None
    probe = facts.compared.probes[0]
    return LimitsView(probe.name, text.not_mitigated(facts), (*probe.limits, NOT_A_CERTIFICATE))


@dataclass(frozen=True)
class UseView:
    """How to load the changed model, and what to say about it."""

    form: str
    code: Sequence[str]
    """Line by line."""
    paragraph: Sequence[str]


def use_view(facts: Mitigation) -> UseView:
    """Return the code and the paragraph."""
    return UseView(
        facts.fold.form,
        text.loading(facts.fold.form, facts.compared.sides[-1].model.kind).splitlines(),
        text.note_for_model_card(facts).splitlines(),
    )
