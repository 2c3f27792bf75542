"""What was asked, by whom, and of which images."""

from __future__ import annotations

from collections.abc import Mapping

from audit.records.base import record
from audit.records.evidence import MeasurementEvidence
from audit.types import Exclusion, Group, Note


@record
class MeasurementRecord:
    """What was asked, word for word."""

    name: str
    question: str
    preset: str
    labels: Group
    """In declared order: a tie goes to the first."""
    prompts: Mapping[str, tuple[str, ...]]
    answers: Mapping[str, str]
    combine: str
    truth: str | None
    outcomes: Mapping[str, tuple[str, ...]]
    near_tie_margin: float
    near_ties: float | None
    """Share of decisions with a smaller margin than `near_tie_margin` between the two best answers; None without scores."""
    mean_margin: float | None
    answer_counts: Mapping[str, int]
    asked: str | None = None
    """The question as a generative model read it, options included; None for a dual encoder."""
    kind: str = "zero_shot"
    """How a dual encoder was asked: the module of `audit.measure`."""
    evidence: MeasurementEvidence = MeasurementEvidence()


@record
class ProbeRecord:
    """What was asked, by whom, and what the answer cannot tell."""

    name: str
    question: str
    source: str
    licence: str
    limits: tuple[str, ...]
    not_tested: tuple[str, ...]


@record
class DataRecord:
    """The images: how many were listed, used and left out, by group."""

    name: str
    source: str
    licence: str
    fingerprint: str
    listed: int
    used: int
    limited: bool
    groups: Mapping[str, Mapping[str, int]]
    """attribute -> level -> images used."""
    exclusions: tuple[Exclusion, ...]
    conversions: Mapping[str, Mapping[str, Mapping[str, int]]]
    notes: tuple[Note, ...]
    cluster: str | None = None
    """The column that says which images belong together; None: images are independent."""
    clusters: int | None = None
    numbered: bool = False
    """Whether the images have no identifiers but their place in the file."""
