"""The contents of `plan.lock.json`, written before anything is embedded, and how an audit differs from it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from audit.encoder import Value
from audit.records.base import record
from audit.records.file import File
from audit.types import Better, Group

LOCK_SCHEMA = "2"
PRESENT = "present"
"""Stands for a part of the lock that the audit does not have at all, or the reverse."""


@record
class LockedModel:
    """A model that the plan names."""

    name: str
    sha256: str
    """Of its weights, or of the file of predictions; empty for a model behind an endpoint, which has none."""
    form: str
    """How it is used: number format, architecture, preprocessing and tokenizer, or the host of an endpoint."""


@record
class LockedClaim:
    """A planned question: everything that decides its verdict besides the answers.

    The metric of a question about scores is ``superiority``, and of a trend ``trend of`` its rate.
    """

    measurement: str
    metric: str
    outcome: str | None
    attributes: Group
    better: Better
    tolerance: float
    ratio_tolerance: float | None
    """For answers and errors rarer than 10 %, unless the probe sets one for the claim."""
    order: Group = ()
    """For a trend: the levels from the lowest to the highest; empty: as the data order them."""


@record
class LockedColumn:
    """A column of a table of predictions, in any order of its rows."""

    rows: int
    """Counted parts: the images that they represent."""
    sha256: str
    """Of the sorted digests of its rows and their numbers. The digest of a row is the sha256 of its identifier and its cell."""
    cells: str
    """The number of rows for each of the first 18 bits of a digest, as base64 of zlib: two of them show how many rows differ."""


@record
class LockedTable:
    """All that can move a verdict in a table of predictions, besides the answers."""

    identified: bool
    """Whether rows have identifiers. If not, a cell is only known by its value, and a row by all of its cells."""
    rows: LockedColumn
    """The identifiers; without them the whole rows."""
    columns: Mapping[str, LockedColumn]
    """Attributes, true answers (``y_true``, or ``y_true:NAME`` for each of several questions), clusters, weights and columns of pairs."""


@record
class LockedData:
    """The images, or the rows of external predictions."""

    fingerprint: str
    images: int
    exclusions: Mapping[str, int]
    """reason, with the sha256 of a list of excluded images -> images left out before any answer."""
    table: LockedTable | None = None
    """None for images, whose attributes, truth, clusters and weights are in the fingerprint."""


@record
class LockedProbe:
    """A probe with its data, in the form in which the model is asked."""

    source_sha256: str | None
    """Of the probe's Python file; None for a probe made in Python, and for default claims."""
    prompts: Mapping[str, Mapping[str, Group]]
    """measurement -> label -> sha256 of each of its prompts."""
    questions: Mapping[str, str]
    """measurement -> sha256 of the question to a generative model."""
    texts: Group
    """sha256 of every other text, sorted: those of other prompt templates, of what-ifs and of analyses. No verdict depends on them."""
    data: LockedData
    bins: Mapping[str, Group]
    """Column of numbers -> the groups that it is divided into."""
    clusters: str | None
    weights: str | None
    claims: Mapping[str, LockedClaim]
    """Id -> planned question."""
    exploratory: Group
    """Ids of the exploratory comparisons."""
    family: str
    """The questions that p is adjusted over: those of this probe, or of a suite."""
    family_size: int
    """Number of planned questions in it."""


@record
class PlanLock:
    """The file."""

    schema_version: str
    software: str
    code_sha256: str
    """Of the program's files (`audit.api.plan_lock.code_sha256`)."""
    models: Literal["any"] | tuple[LockedModel, ...]
    probes: Mapping[str, LockedProbe]
    alpha: float
    draws: int
    seed: int
    min_group_size: int
    max_skip: float
    limit: int | None
    gates: Group
    stopping_rule: str | None
    """In the words of the person who planned; None: not stated. This and the next three are shown, and not compared."""
    who: str | None
    why: str | None
    created: str
    """UTC, ISO 8601, by the clock of the machine: only a signature or a commit elsewhere shows when a lock existed."""


FILE = File(PlanLock, "plan.lock.json", LOCK_SCHEMA, "write it with vlm-audit plan")


# ---- in results.json -----------------------------------------------------------------------------------------------------------------


@record
class LockDeviation:
    """A field in which an audit differs from its lock."""

    field: Group
    """Its path in the lock, or in the probe of the audit: ``("alpha",)``, ``("claims", "role/accuracy/gender", "tolerance")``."""
    locked: Value | None
    """None: the lock does not have it."""
    actual: Value | None
    """None: the audit does not have it."""
    claims: Literal["all"] | Group = ()
    """Ids of the planned questions that are exploratory because of it."""
    rows: int | None = None
    """For rows and columns of a table of predictions: at least how many rows are not as locked."""


@record
class AuditLock:
    """How one audit differs from its lock."""

    planned: Group
    """Ids of the locked questions that are asked as locked: only these are planned."""
    exploratory: Group
    """Ids of the locked questions that are asked otherwise: exploratory, and their gates are inconclusive."""
    not_asked: Group
    """Ids of the locked questions that are not asked."""
    deviations: tuple[LockDeviation, ...]
    """Those of the model, the probe and its data; those of the whole run are in `Results.lock`."""

    @property
    def missing(self) -> int:
        """How many locked questions are not planned any more: each counts as p = 1, so that leaving one out helps no other."""
        return len(self.exploratory) + len(self.not_asked)


@record
class RunLock:
    """The lock that a run was given."""

    sha256: str
    """Of `plan.lock.json`, which is in the folder of the results."""
    created: str
    who: str | None
    why: str | None
    stopping_rule: str | None
    gates: Group
    """Gates of the run that are not in the lock: they are inconclusive."""
    deviations: tuple[LockDeviation, ...]
