"""The contents of `results.json`: one field for each analysis and each kind of evidence. No HTML and no sentences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import field, fields, replace
from functools import cache
from types import GenericAlias
from typing import Annotated, Any, Literal

from pydantic import (
    SerializerFunctionWrapHandler,
    StringConstraints,
    TypeAdapter,
    field_validator,
    model_serializer,
    model_validator,
)

from audit.errors import DataError
from audit.evidence.adjustment import Adjustment
from audit.evidence.calibration import Calibration
from audit.evidence.effect_size import EffectSize
from audit.evidence.equalized_odds import EqualizedOdds
from audit.evidence.family_correction import FamilyCorrection
from audit.evidence.four_fifths import FourFifths
from audit.evidence.label_noise import LabelNoise
from audit.evidence.prompt_sensitivity import SpecificationCurve
from audit.evidence.score_spread import ScoreSpread
from audit.evidence.shrinkage import Shrinkage
from audit.evidence.threshold_curves import ThresholdCurve
from audit.extension import accounts, analyses, import_declared
from audit.records.account import AccountRecord
from audit.records.base import Timing, Verdict, record
from audit.records.comparison import PairedModels
from audit.records.counts import CountRecord
from audit.records.effect import EffectResult
from audit.records.file import File
from audit.records.finding import ClaimResult, PairedFinding
from audit.records.gates import GateResult
from audit.records.inputs import DataRecord, ProbeRecord, Responsiveness, RowTexts, SuiteRecord, TextSet
from audit.records.plan_lock import AuditLock, RunLock
from audit.records.replicates import Replicates
from audit.types import Group, ModelRecord, Note, PublishedTable, Settings

SCHEMA_VERSION = "2"
_OF_PLANNED = ("disparity", "equivalent", "inconclusive")


@record
class FindingEvidence:
    """Evidence about one finding; None if it does not apply."""

    effect_size: EffectSize | None = None
    """Of the highest group compared with the lowest."""
    four_fifths: FourFifths | None = None
    shrinkage: Shrinkage | None = None
    """Set if some group is small."""
    family_correction: FamilyCorrection | None = None
    """Set for an exploratory finding if the same question is asked for several outcomes."""
    near_ties: Verdict | None = None
    """The verdict if all decisions that rounding could flip were flipped; None if no decision is that close."""
    label_noise: LabelNoise | None = None
    adjustment: Adjustment | None = None


@record
class Finding(ClaimResult):
    """The result of one claim, with its evidence."""

    evidence: FindingEvidence = FindingEvidence()

    @classmethod
    def of(cls, result: ClaimResult) -> Finding:
        """Convert the result of a claim to a finding, without evidence so far."""
        return cls(**{field.name: getattr(result, field.name) for field in fields(result)})


@record
class MeasurementEvidence:
    """Evidence about the answers to one measurement."""

    near_ties: int | None = None
    """Number of decisions so close that rounding in the model's number format could flip them; None if unknown."""
    calibration: tuple[Calibration, ...] = ()


@record
class MeasurementRecord:
    """The labels and prompts of a measurement, verbatim."""

    name: str
    question: str
    preset: str
    labels: Group
    """In declared order: ties go to the first."""
    prompts: Mapping[str, tuple[str, ...]]
    answers: Mapping[str, str]
    combine: str
    truth: str | None
    outcomes: Mapping[str, tuple[str, ...]]
    near_tie_margin: float
    near_ties: float | None
    """Share of decisions in which the two best answers differ by less than `near_tie_margin`; None without scores."""
    mean_margin: float | None
    answer_counts: Mapping[str, int]
    asked: str | None = None
    """The question as a generative model read it, options included; None for a dual encoder."""
    kind: str = "zero_shot"
    """Kind of question for a dual encoder: the module of `audit.measure`."""
    evidence: MeasurementEvidence = MeasurementEvidence()
    responsiveness: Responsiveness | None = None
    """None for measurements that compare two orders of the options."""
    row_texts: RowTexts | None = None
    """None if all rows have the same question and options."""
    gallery: str | None = None
    """For ``kind="retrieved"``: the attribute that names the gallery of each image, inside which groups are compared; None: one gallery."""


@record
class AuditEvidence:
    """Evidence about several measurements or groups of an audit."""

    equalized_odds: tuple[EqualizedOdds, ...] = ()
    threshold_curves: tuple[ThresholdCurve, ...] = ()
    score_spread: tuple[ScoreSpread, ...] = ()


@record
class ControlFinding:
    """A primary question, measured on a control."""

    finding: str
    """Its id."""
    overall: float | None
    gap: float | None
    low: float | None
    high: float | None
    null_95: float | None
    p_adjusted: float | None
    """Holm over the control's own questions."""
    verdict: Verdict


@record
class UntrainedControl:
    """The same architecture with random, untrained weights: what the audit finds in a model that learned nothing."""

    seed: int
    """Seed of the weights."""
    findings: tuple[ControlFinding, ...]
    verdict: Verdict


@record
class Example:
    """An image for `--include-examples`: small, without metadata, name or answer."""

    measurement: str
    jpeg: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9+/]+={0,2}$")]
    """Base64."""


@record
class AnsweredImage:
    """An image that a report may show (`Dataset.showable`), with what was answered: small, without metadata or name."""

    group: Group
    right: bool
    """Whether the answer is the true one or, for a finding without truth, whether it is in the finding's outcome."""
    truth: str | None
    answer: str
    jpeg: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9+/]+={0,2}$")]
    """Base64."""


@record
class AnsweredImages:
    """Right and wrong answers to images drawn at random, for the groups of the finding that leads the report."""

    finding: str
    """Its id."""
    pictures: tuple[AnsweredImage, ...]


_COLLECTED = ("analyses", "accounts")
"""Fields that a file has as keys beside the others."""


def _typed(found: Mapping[str, Any]) -> dict[str, tuple[Any, ...]]:
    """Every declared analysis with its records, checked to be of the declared class; of a kind without records nothing is imported."""
    classes = {declared.field: declared.record for declared in analyses()}
    typed: dict[str, tuple[Any, ...]] = dict.fromkeys(classes, ())
    for name, given in found.items():
        empty = isinstance(given, list | tuple) and not given
        typed[name] = () if empty else tuple(_adapter(classes.get(name)).validate_python({name: given})[name])
    return typed


def _is_account(name: str, given: object) -> bool:
    """Whether a key of a file has an account: an extension declares one, or none does and there is a single record, or null."""
    if name in {declared.field for declared in accounts()}:
        return True
    return (given is None or isinstance(given, dict)) and name not in {*_COLLECTED, *(declared.field for declared in analyses())}


def _accounted(found: Mapping[str, Any]) -> dict[str, Any]:
    """Every declared account with its record, checked to be of the declared class; None if the model was not used so."""
    classes = {declared.field: declared.record for declared in accounts()}
    typed: dict[str, Any] = dict.fromkeys(classes)
    for name, given in found.items():
        typed[name] = None if given is None else _account_adapter(classes.get(name)).validate_python({name: given})[name]
    return typed


@cache
def _account_adapter(place: str | None) -> TypeAdapter[Any]:
    """The type of a key with a record of a declared class, or with any table."""
    of_key: Any = GenericAlias(dict, (str, dict[str, Any] if place is None else import_declared(place)))
    return TypeAdapter(of_key)


@cache
def _adapter(place: str | None) -> TypeAdapter[Any]:
    """The type of a key with its list: records of a declared class, or any tables."""
    of_key: Any = GenericAlias(dict, (str, list[dict[str, Any]] if place is None else _tuple_of(place)))
    return TypeAdapter(of_key)


def _tuple_of(place: str) -> Any:
    return GenericAlias(tuple, (import_declared(place), ...))


@record
class AuditResult:
    """One model, one probe."""

    model: ModelRecord
    probe: ProbeRecord
    data: DataRecord
    measurements: tuple[MeasurementRecord, ...]
    findings: tuple[Finding, ...]
    paired: tuple[PairedFinding, ...]
    specifications: tuple[SpecificationCurve, ...]
    published: tuple[PublishedTable, ...]
    verdict: Verdict
    warnings: tuple[Note, ...]
    """What readers must know before trusting a number, besides the facts above."""
    counts: tuple[CountRecord, ...] = ()
    """One per measurement, in their order."""
    untrained_control: UntrainedControl | None = None
    evidence: AuditEvidence = AuditEvidence()
    texts: tuple[str, ...] = ()
    """All texts given to the model, without duplicates; empty if no model was loaded."""
    text_sets: tuple[TextSet, ...] = ()
    """Texts in use besides those of the measurements."""
    examples: tuple[Example, ...] = ()
    """Images whose answers were least certain; empty unless requested."""
    pictures: AnsweredImages | None = None
    """None if the data do not say that their images may be shown."""
    analyses: Mapping[str, tuple[Any, ...]] = field(default_factory=lambda: _typed({}))
    """What analyses found, exploratory: the key of each in the file -> its records, of the class that its extension declares. In the file
    each is a key beside the others. A key that no installed extension declares keeps its JSON."""
    accounts: Mapping[str, Any] = field(default_factory=lambda: _accounted({}))
    """How the model was used, if it was asked over a network: like `analyses`, but each key has one record, or None."""
    suite: SuiteRecord | None = None
    """The suite whose probes share the adjustment of p; None: the questions of this probe alone."""
    effects: tuple[EffectResult, ...] = ()
    """Differences of scores between groups, and trends of rates along ordered levels; planned ones affect the verdict."""
    lock: AuditLock | None = None
    """How the audit differs from the plan lock of its run; None without a lock."""

    @model_validator(mode="before")
    @classmethod
    def _gathered(cls, given: Any) -> Any:
        """Collect the keys of analyses and of accounts in a file."""
        if not isinstance(given, dict):
            return given
        own = {name: value for name, value in given.items() if name in cls.__dataclass_fields__ and name not in _COLLECTED}
        others = {name: value for name, value in given.items() if name not in own}
        single = {name: value for name, value in others.items() if _is_account(name, value)}
        several = {name: value for name, value in others.items() if name not in single}
        return own | {"analyses": _typed(several), "accounts": _accounted(single)}

    @field_validator("analyses", mode="after")
    @classmethod
    def _complete(cls, given: Mapping[str, tuple[Any, ...]]) -> Mapping[str, tuple[Any, ...]]:
        return _typed(given)

    @field_validator("accounts", mode="after")
    @classmethod
    def _each(cls, given: Mapping[str, Any]) -> Mapping[str, Any]:
        return _accounted(given)

    @model_serializer(mode="wrap")
    def _beside_the_others(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        own: dict[str, Any] = serialize(self)
        return {**own.pop("analyses"), **own.pop("accounts"), **own}

    def with_analyses(self, found: Mapping[str, tuple[Any, ...]]) -> AuditResult:
        """The same result with the records of some analyses."""
        return replace(self, analyses={**self.analyses, **found})

    @property
    def is_served(self) -> bool:
        """Whether the model was asked over a network."""
        return any(record is not None for record in self.accounts.values())

    @property
    def account(self) -> AccountRecord | None:
        """The record of how the model was used; None if it was loaded, or if no installed extension reads the record."""
        known = (self.accounts[declared.field] for declared in accounts())
        found: AccountRecord | None = next((record for record in known if record is not None), None)
        return found


@record
class Results:
    """The file: all audits of one run of the command."""

    schema_version: str
    status: Literal["complete"]
    tool: str
    command: tuple[str, ...]
    """Arguments as typed; for an absolute path only the last part."""
    settings: Settings
    environment: Mapping[str, str]
    """package -> version, and device and dtype."""
    audits: tuple[AuditResult, ...]
    timing: Timing
    gates: tuple[GateResult, ...] = ()
    """Results of the gates in `--fail-on`, in its order."""
    replicates: tuple[Replicates, ...] = ()
    """Combined results of models that are replicates of one, one entry per probe; no verdict depends on them."""
    paired_models: PairedModels | None = None
    """Changes from the first model to each of the others, if several were audited with one probe and are not replicates."""
    lock: RunLock | None = None
    """The plan lock that the run was given; None: nothing shows what was planned before the answers were seen."""


_FILE = File(Results, "results.json", SCHEMA_VERSION, "run the audit again")
to_json = _FILE.to_json


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of `results.json`, with a key for each analysis and each account of an installed extension."""
    schema = _FILE.json_schema()
    properties = schema["$defs"]["AuditResult"]["properties"]
    for name in _COLLECTED:
        del properties[name]
    for declared in analyses():
        records = _described(schema, _tuple_of(declared.record))
        properties[declared.field] = {"default": [], **records, "title": declared.field.replace("_", " ").title()}
    for account in accounts():
        properties[account.field] = {**_described(schema, import_declared(account.record) | None), "default": None}
    schema["$defs"] = dict(sorted(schema["$defs"].items()))
    return schema


def _described(schema: dict[str, Any], kind: Any) -> dict[str, Any]:
    """Describe the values of a key, and add the definitions of their records to the schema."""
    described = TypeAdapter(kind).json_schema()
    schema["$defs"] |= described.pop("$defs")
    return described


def from_json(text: str) -> Results:
    """Parse a `results.json`, like `File.from_json`; also raises DataError if its parts are inconsistent."""
    results = _FILE.from_json(text)
    if inconsistency := next(_inconsistencies(results), None):
        raise DataError("results.json is inconsistent", why=inconsistency, fix="run the audit again")
    return results


def _inconsistencies(results: Results) -> Iterator[str]:
    """Yield inconsistencies that the schema cannot express, in a file that was cut, merged or written by hand."""
    if not 0 < results.settings.alpha < 1:
        yield f"alpha is {results.settings.alpha:g}, expected an error rate between 0 and 1"
    for audit in results.audits:
        if any(not 0 <= text < len(audit.texts) for text_set in audit.text_sets for text in text_set.texts):
            yield f"a set of texts of {audit.model.name} names a text that is not there"
        for finding in audit.findings:
            yield from _of_finding(finding, audit)
        for effect in audit.effects:
            yield from _of_effect(effect, audit)
    for replicates in results.replicates:
        yield from _of_replicates(replicates, results)


def _of_replicates(replicates: Replicates, results: Results) -> Iterator[str]:
    if any(not 0 <= number < len(results.audits) for number in replicates.audits):
        yield f"the replicates of {replicates.probe} name an audit that is not there"
        return
    together = [results.audits[number] for number in replicates.audits]
    finding_ids = [{finding.id for finding in audit.findings} for audit in together]
    for gap in replicates.findings:
        if not all(gap.finding in ids for ids in finding_ids) or {len(gap.verdicts), len(gap.gaps)} != {len(together)}:
            yield f"the replicates of {replicates.probe} do not all have the question {gap.finding}"


def _of_effect(effect: EffectResult, audit: AuditResult) -> Iterator[str]:
    if effect.measurement not in {measurement.name for measurement in audit.measurements}:
        yield f"{effect.id} is about a measurement that is not there"
    if effect.attribute not in audit.data.groups:
        yield f"{effect.id} is by an attribute that the data do not have"
    if effect.primary and effect.verdict in ("signal", "no signal"):
        yield f"{effect.id} was planned and has the verdict {effect.verdict!r} of an exploratory one"


def _of_finding(finding: Finding, audit: AuditResult) -> Iterator[str]:
    record = next((measurement for measurement in audit.measurements if measurement.name == finding.measurement), None)
    if record is None:
        yield f"{finding.id} is about a measurement that is not there"
    elif finding.outcome is not None and finding.outcome not in record.outcomes:
        yield f"{finding.id} is about an outcome that its measurement does not have"
    if not finding.attributes or not set(finding.attributes) <= set(audit.data.groups):
        yield f"{finding.id} is by an attribute that the data do not have"
    if finding.primary and finding.verdict in ("signal", "no signal"):
        yield f"{finding.id} was planned and has the verdict {finding.verdict!r} of an exploratory one"
    if not finding.primary and finding.verdict in _OF_PLANNED:
        yield f"{finding.id} is exploratory and has the verdict {finding.verdict!r} of a planned question"
    if any(len(rate.group) != len(finding.attributes) for rate in finding.by_group):
        yield f"{finding.id} has a group of another number of attributes"
