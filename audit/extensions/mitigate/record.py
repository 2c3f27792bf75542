"""A mitigation: the facts in `mitigation.json`, beside the weights that it describes.

The plan is recorded before any number of the shown half exists. Nothing here is called fair: a gap is smaller on these images, or not.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from audit.records.base import Estimate, Timing, record
from audit.records.comparison import Change, Comparison, Comparisons, GapChange
from audit.records.file import File
from audit.types import Note, Settings

SCHEMA_VERSION = "1"
MITIGATION, MAP = "mitigation.json", "mitigation.npy"
"""The facts, and the map by which embeddings were multiplied: P, float64[d, d]."""
Outcome = Literal["better", "no change shown", "worse"]
CapabilityCode = Literal["equivalent", "higher", "not lower", "lower", "not shown"]
"""The accuracy after, by its 90 % interval: within the margin; above 0 and beyond it; not below it; below it; none of these."""
Form = Literal["Hugging Face folder", "open_clip folder", "vlm-audit folder"]
"""What the changed model is; the last holds a ``ckpt.pt``, or an export of this project."""


@record
class FurtherTraining:
    """A training on the fitted half, from the model's own weights."""

    captions: Literal["true answers", "table"]
    """The prompts of the true answers, or captions from a table."""
    images: int
    """Images of the fitted half that have a caption."""
    sha256: str
    """sha256 (hex) of their captions and groups."""
    settings: tuple[str, ...]
    """Settings of the trainer, as ``section.key=value``; the others have its defaults."""
    controls: int
    """Trainings on uncorrected captions, if they decide the outcome."""


@record
class MitigationPlan:
    """Everything that was decided before the shown half was looked at."""

    model: str
    fingerprint: str
    """Of the model before."""
    probe: str
    data: str
    """Fingerprint of the data set."""
    question: str
    """Id of the finding whose gap is to become smaller."""
    chosen: Literal["planned", "named", "worst"]
    """Planned by the probe; named; or the largest gap of the fitted half."""
    attribute: str
    method: str
    others: tuple[str, ...]
    """Methods that are tried beside it and not exported."""
    towers: tuple[str, ...]
    unit: str
    """What is never split between the halves: a column, or `CONTENT` of `audit.records.changed_model`."""
    seed: int
    """Of the split, from the fingerprint of the data."""
    watched: tuple[str, ...]
    """Ids of the planned findings, none of whose gaps may grow."""
    capability: str | None
    """The measurement whose accuracy may not fall; None if the probe has none with true answers other than the group."""
    margin: float
    """Largest fall of the accuracy that would not matter, 0 to 1."""
    settings: Settings
    created: str
    """UTC, ISO 8601."""
    training: FurtherTraining | None = None
    """None if the method is a map."""


@record
class EarlierRun:
    """An earlier mitigation on the same data on this machine."""

    created: str
    probe: str
    question: str
    method: str
    outcome: Outcome | None
    """None if it did not end."""


@record
class Half:
    """One half of the images."""

    images: int
    units: int
    groups: Mapping[str, int]
    """Images of each group that was used."""
    identifiers: str
    """sha256 (hex) of the images' identifiers, sorted, one per line."""


@record
class Fold:
    """The change of the weights."""

    form: Form
    rank: int | None
    """Number of directions removed; None if the model was trained further."""
    changed: tuple[str, ...]
    """Names of the changed tensors."""
    dtype: str
    difference: float
    """Largest difference between embeddings of length 1 of the written model, and the mapped ones of the original or those of the model
    that was trained."""
    tolerance: float
    source: str
    """sha256 (hex) of the weights before."""
    written: str
    """sha256 (hex) of the weights after."""


@record
class TriedMap:
    """A method on the shown half, computed by mapping the embeddings of the original; or the model that was trained further."""

    method: str
    rank: int | None
    gap: GapChange
    """Of the question; its p is adjusted (Holm) over the methods and their watched questions."""
    others: Mapping[str, GapChange]
    """The same for other planned questions with the same metric."""
    accuracy: Estimate | None
    """Change of the accuracy, with its 90 % interval; None without true answers."""


@record
class RefusedMap:
    """A method that could not be tried."""

    method: str
    why: Note


@record
class MapControl:
    """Random maps of the same kind; or trainings on captions that say what the model already answers."""

    kind: Literal["random directions", "shuffled groups", "uncorrected captions"]
    gaps: tuple[float, ...]
    """The gap after each."""
    p: float
    """Share of these, the exported change included, that leave a gap as small."""


@record
class Capability:
    """The accuracy before and after, on the same images of the shown half."""

    measurement: str
    n: int
    before: float
    after: float
    change: Estimate
    """With its 90 % interval: it lies within the margin if both one-sided tests at 5 % reject."""
    margin: float
    code: CapabilityCode


@record
class MovedAnswers:
    """Images of a group that got one answer before and another one after."""

    group: str
    before: str
    after: str
    images: int
    gained: int
    """Of these, right only after; 0 without true answers."""
    lost: int
    """Of these, right only before."""


@record
class Mitigation:
    """What was changed, and what it changed."""

    schema_version: str
    status: Literal["complete"]
    tool: str
    command: tuple[str, ...]
    plan: MitigationPlan
    earlier: tuple[EarlierRun, ...] | None
    """None if the record of runs could not be read or written."""
    fitted: Half
    shown: Half
    fold: Fold
    compared: Comparisons
    """The two models on the shown half, audited from the images; the planned questions are those of the plan."""
    moved: tuple[MovedAnswers, ...]
    """Where the answers of the question went, by its attribute: the most frequent changes."""
    tried: tuple[TriedMap, ...]
    """The exported method first."""
    refused: tuple[RefusedMap, ...]
    controls: tuple[MapControl, ...]
    capability: Capability | None
    outcome: Outcome
    reasons: tuple[Note, ...]
    """Why; for "better", what could not be controlled."""
    environment: Mapping[str, str]
    timing: Timing

    @property
    def comparison(self) -> Comparison:
        """The changed model against the original."""
        return self.compared.comparisons[0]

    @property
    def settings(self) -> Settings:
        """Everything that affects the numbers besides models and data."""
        return self.plan.settings

    @property
    def target(self) -> Change | None:
        """The question whose gap was to become smaller; None if it cannot be compared."""
        return next((change for change in self.comparison.changes if change.id == self.plan.question), None)


FILE = File(Mitigation, MITIGATION, SCHEMA_VERSION, "run vlm-audit mitigate again")
