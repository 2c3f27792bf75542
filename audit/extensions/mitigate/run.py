"""From a gap to a changed model: fits a map on one half of the images, folds it into a copy of the model, judges that on the other half."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import numpy as np

from audit.api.audit_output import PACKAGES, Clock, installed
from audit.api.audits import Audit
from audit.api.changes import compare_sides
from audit.api.junit import junit_of_errors
from audit.api.lookup import found_questions, planned_questions
from audit.api.models import loaded
from audit.api.pipeline import notes_in_words, run_audit
from audit.api.plan import AuditPlan, check_fit, plan_audit
from audit.data.changed.joined import captions_by_image
from audit.data.changed.subset import part_of
from audit.embedding.cache import CacheRoot
from audit.embedding.embed import embed_texts
from audit.embedding.folders import local_root
from audit.embedding.known import embed_known_images
from audit.errors import AuditError, MachineError, UnsafeError, UsageError
from audit.extensions.mitigate import finetune, fold
from audit.extensions.mitigate.ledger import Ledger
from audit.extensions.mitigate.methods import METHODS, default_method, fit_map
from audit.extensions.mitigate.models.checkpoint import CHECKPOINT
from audit.extensions.mitigate.models.editable import editable
from audit.extensions.mitigate.models.output_layers import TOWERS, Tower
from audit.extensions.mitigate.models.rewriting import EditableModel
from audit.extensions.mitigate.options import WORST, MitigateRequest
from audit.extensions.mitigate.page import render_mitigation
from audit.extensions.mitigate.question import EmbeddedData, SplitQuestion, TargetQuestion, candidates, split_question, worst_of
from audit.extensions.mitigate.record import (
    FILE,
    MITIGATION,
    SCHEMA_VERSION,
    Capability,
    EarlierRun,
    Fold,
    FurtherTraining,
    MapControl,
    Mitigation,
    MitigationPlan,
    Outcome,
)
from audit.extensions.mitigate.sentences import note_for_model_card
from audit.extensions.mitigate.shown import CAPABILITY_ALPHA, moved_answers, try_maps
from audit.extensions.mitigate.verdict import capability_code, decide_outcome
from audit.gates.changes import ChangeGates
from audit.gates.parse import named_question
from audit.gates.policy import FAIL_CLOSED, GatePolicy
from audit.measure.embedded import check_prompts
from audit.models import load
from audit.models.model_args import by_model
from audit.naming import finding_id
from audit.options.comparisons import CompareRequest
from audit.output.directory import write_text
from audit.statistics.paired.counted import utility
from audit.types import Dataset, Encoder, Measurement, Note, Probe
from audit.version import __version__
from reports.exports.junit import junit_xml
from strictio.errors import as_machine_error
from strictio.folders import Folder

LOG = logging.getLogger("audit")
PAGE = "report.html"
_TEXTS = 64
"""Most prompts with which the written model is compared with the map."""


@dataclass(frozen=True)
class Mitigated:
    """A changed model on disk, and what the change did."""

    facts: Mitigation
    """The contents of `mitigation.json`."""
    directory: Path
    """The folder of the changed model: a model spec."""
    required: Literal["better"] | None = None
    gate_policy: GatePolicy = FAIL_CLOSED
    """Which outcomes of gates count for the exit code."""

    @property
    def outcome(self) -> str:
        """Better, no change shown, or worse."""
        return self.facts.outcome

    def to_html(self) -> str:
        """The page of the mitigation, self-contained."""
        return render_mitigation(self.facts)

    @property
    def exit_code(self) -> int:
        """The exit code of the command: 1 if the changed model is worse, not better where that is required, or breaches a gate."""
        unmet = self.outcome == "worse" or (self.required == "better" and self.outcome != "better")
        return int(unmet or self.gate_policy.is_breach(self.facts.compared.gates))


def mitigate(model: Any = "", probe: Any = None, out: Any = None, **options: Any) -> Mitigated:
    """Change a model so that a gap of a probe becomes smaller, and say whether it did.

    Writes the changed model to the new folder `out`, in the form it came in, with `mitigation.json`; in every outcome. `options` are
    the fields of `MitigateRequest`, like the flags of the same names. Raises a subclass of AuditError; then there is no folder `out`.
    """
    with junit_of_errors(options.get("junit"), options.get("fail_on")):
        return run_mitigation(MitigateRequest(**{"model": model, "probe": probe, "out": out, **options}))


def run_mitigation(request: MitigateRequest) -> Mitigated:
    """Decide everything on the fitted half, record it, write the changed model, and judge it on the shown half."""
    LOG.addFilter(notes_in_words)
    clock = Clock()
    model, towers = _opened(request)
    audit_plan = plan_audit(request.audit_request())
    probe, cluster = _unit_of(audit_plan)
    gates = ChangeGates.of(request.fail_on, planned_questions(probe.measurements))
    with loaded(audit_plan.models[0]) as (encoder, root):
        check_fit(encoder, audit_plan, root)
        if not isinstance(encoder, Encoder):
            raise UsageError("a generative model has no embeddings to map", where="--model", fix="mitigate a dual encoder, such as CLIP")
        data = _embedded(request, encoder, audit_plan, root)
        split = _split(request, probe, data, cluster, towers)
        run = _Run(request, model, encoder, _with_planned(probe, split.question.finding, cluster), data, split, towers, gates)
        with TemporaryDirectory(prefix="vlm-audit-") as scratch:
            plan, change = run.decided(clock, Folder.of(Path(scratch)))
            ledger = Ledger(local_root(), plan.data)
            earlier = _recorded(ledger, plan)
            facts = run.written(plan, change, earlier, clock)
    _record_outcome(ledger, facts)
    LOG.info("wrote %s", request.folder)
    if request.junit is not None:
        write_text(request.junit, junit_xml(facts.compared, request.gate_policy))
    return Mitigated(facts, request.folder, request.require, request.gate_policy)


# ---- before the shown half -----------------------------------------------------------------------------------------------------------


def _opened(request: MitigateRequest) -> tuple[EditableModel, tuple[Tower, ...]]:
    args = by_model([(0, request.model_args)], 1)[0] if isinstance(request.model_args, str) else request.model_args
    model, towers = editable(request.model, args), TOWERS if request.towers == "both" else TOWERS[1:]
    if request.method == finetune.METHOD:
        finetune.check_settings(request.train)
    else:
        fold.require_layers(model, towers)
    return model, towers


def _unit_of(plan: AuditPlan) -> tuple[Probe, str | None]:
    """The probe, and the column that says which images belong together."""
    probe = plan.probes[0].probe
    if probe.load is None or probe.weights:
        what = f"the probe {probe.name!r} cannot be used to change a model"
        raise UsageError(what, why="it looks at no image" if probe.load is None else "its images have weights", fix="choose another probe")
    return probe, probe.cluster or next((what_if.cluster for what_if in probe.what_ifs if what_if.cluster), None)


def _embedded(request: MitigateRequest, encoder: Encoder, plan: AuditPlan, root: CacheRoot) -> EmbeddedData:
    probe, whole = plan.probes[0].probe, plan.probes[0].dataset

    def images(done: int, total: int) -> None:
        if request.progress is not None and done:
            request.progress(done, total)
        if request.stages is not None:
            request.stages("images", done, total)

    how: dict[str, Any] = {"batch_size": request.batch_size, "max_skip": request.max_skip, "verify": request.verify, "progress": images}
    embeddings = embed_known_images(encoder, whole, root, **how)
    prompts = {text for measurement in probe.measurements for texts in measurement.label_set.prompts.values() for text in texts}
    directions = [what_if.direction for what_if in probe.what_ifs if what_if.direction]
    prompts |= {text for direction in directions for pair in (*direction.pairs, *direction.same) for text in pair}
    ordered = sorted(prompts)
    texts = dict(zip(ordered, embed_texts(encoder, ordered, root), strict=True))
    read = whole if len(embeddings.rows) == len(whole.images) else part_of(whole, embeddings.rows.tolist())
    return EmbeddedData(read, encoder.record, embeddings.vectors, embeddings.contents, texts, request.settings, whole.fingerprint)


def _split(request: MitigateRequest, probe: Probe, data: EmbeddedData, cluster: str | None, towers: tuple[Tower, ...]) -> SplitQuestion:
    name = request.question if request.question != WORST else None
    finding = None if name is None else named_question(name, planned_questions(probe.measurements)).id
    questions = candidates(probe, data.dataset, finding)
    question = worst_of(questions, data, cluster) if request.question == WORST else questions[0]
    return split_question(question, data, cluster, towers)


def _with_planned(probe: Probe, finding: str, cluster: str | None) -> Probe:
    """The probe with the cluster that is not split, and with the question among the planned ones: it was named for this run."""

    def planned(measurement: Measurement) -> Measurement:
        claims = (replace(claim, primary=claim.primary or finding_id(measurement.name, claim) == finding) for claim in measurement.claims)
        return replace(measurement, claims=tuple(claims))

    return replace(probe, cluster=cluster, measurements=tuple(map(planned, probe.measurements)))


def _recorded(ledger: Ledger, plan: MitigationPlan) -> tuple[EarlierRun, ...] | None:
    """Record the plan, and return the earlier runs on the same data; None if that is impossible."""
    try:
        earlier = ledger.earlier()
        ledger.record(plan)
    except (OSError, UnsafeError) as error:
        LOG.warning("this run is not recorded, and earlier ones are not counted: %s", getattr(error, "strerror", None) or error)
        return None
    if earlier:
        LOG.info("earlier mitigations on these data: %d", len(earlier))
    return earlier


def _record_outcome(ledger: Ledger, facts: Mitigation) -> None:
    if facts.earlier is not None:
        try:
            ledger.record(facts.plan, facts.outcome)
        except (OSError, UnsafeError) as error:
            LOG.warning("the outcome is not recorded: %s", getattr(error, "strerror", None) or error)


# ---- writing and judging -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Run:
    """All that is known before the plan is recorded."""

    request: MitigateRequest
    model: EditableModel
    encoder: Encoder
    probe: Probe
    """With the cluster that is not split, and the question planned."""
    data: EmbeddedData
    split: SplitQuestion
    towers: tuple[Tower, ...]
    gates: ChangeGates

    @property
    def question(self) -> TargetQuestion:
        return self.split.question

    def decided(self, clock: Clock, scratch: Folder) -> tuple[MitigationPlan, fold.ModelChange]:
        """The plan and the change: they depend on the request, the question and the fitted half alone."""
        method = self.request.method or default_method(self.split.inputs)
        if method == finetune.METHOD:
            return self._trained(clock, scratch)
        fit = fit_map(method, self.split.inputs)
        check_prompts(self.split.shown.task, fit.directions)
        return self._planned(method, clock, None), fold.FoldedMap(method, fit, self.split, self.towers)

    def _trained(self, clock: Clock, scratch: Folder) -> tuple[MitigationPlan, fold.ModelChange]:
        request = self.request
        table = None if request.captions is None else captions_by_image(self.data.dataset, request.captions, request.encoding)
        half = finetune.captioned_half(self.split, self.data, table)
        rule, image = self.encoder.record.score_rule, "image" in self.towers
        training = finetune.planned_training(half, request.train, rule, table=table is not None, image=image)
        copy = scratch.folder("model", make=True)
        self.model.write(copy, {})
        start = copy.path / CHECKPOINT if copy.is_file(CHECKPOINT) else copy.path
        trainer = finetune.Trainer(scratch, str(start), training.settings, request.device.partition(",")[0].replace(":all", ""))
        LOG.info("training on %d captioned images of the fitted half", training.images)
        checkpoint = trainer.trained("fitted", half, request.seed)
        plan = self._planned(finetune.METHOD, clock, training)
        return plan, finetune.FineTuned(checkpoint, trainer, half, self.split, self.data, request.batch_size)

    def _planned(self, method: str, clock: Clock, training: FurtherTraining | None) -> MitigationPlan:
        record, capability = self.encoder.record, _capability_of(self.probe, self.question)
        watched = tuple(finding_id(asked.name, claim) for asked in self.probe.measurements for claim in asked.claims if claim.primary)
        return MitigationPlan(
            model=record.name, fingerprint=record.fingerprint, probe=self.probe.name, data=self.data.fingerprint,
            question=self.question.finding, chosen=self.question.chosen, attribute=self.question.attribute, method=method,
            others=tuple(name for name in METHODS if name != method), towers=self.towers, unit=self.split.unit, seed=self.split.seed,
            watched=watched, capability=capability.name if capability else None, margin=self.request.margin,
            settings=self.request.settings, created=clock.moment.isoformat(timespec="seconds"), training=training,
        )  # fmt: skip

    def written(self, plan: MitigationPlan, change: fold.ModelChange, earlier: tuple[EarlierRun, ...] | None, clock: Clock) -> Mitigation:
        """Write the changed model, judge it, and let its folder appear: complete, or not at all."""
        out = self.request.folder
        try:
            with Folder.of(out.parent, make=True).new_folder(out.name) as folder:
                changed = change.tensors(self.model)
                self.model.write(folder, changed)
                after = load(str(folder.path), device=self.request.device)
                assert isinstance(after, Encoder)  # noqa: S101  (it is of the same family)
                after.record = replace(after.record, name=out.name)  # type: ignore[misc]
                facts = self._judged(plan, change, self._folded(change, changed, after), after, earlier, clock)
                _describe(folder, facts)
                change.write_beside(folder)
                folder.write(MITIGATION, FILE.to_json(facts).encode())
                write_text(PAGE, render_mitigation(facts), folder)
        except BlockingIOError as error:
            raise MachineError("another run is writing there", where=str(out), fix="wait for it, or name another --out") from error
        except OSError as error:
            raise MachineError("the changed model cannot be written", where=str(out), why=error.strerror, fix="make room") from error
        except Exception as error:  # safetensors raises its own error for a full disk
            if isinstance(error, AuditError) or (machine := as_machine_error(error)) is None:
                raise
            machine.where = str(out)
            raise machine from error
        return facts

    def _folded(self, change: fold.ModelChange, changed: Mapping[str, Any], after: Encoder) -> Fold:
        """Compare the written model with what it should give."""
        prompts = sorted(self.split.shown.task.text_embeddings)[:_TEXTS]
        dtype = fold.stored_dtype(changed)
        difference = change.difference(self.encoder, after, prompts)
        fold.require_equal(difference, dtype)
        return Fold(
            form=self.model.form, rank=change.rank, changed=tuple(sorted(changed)), dtype=str(dtype).removeprefix("torch."),
            difference=difference, tolerance=fold.TOLERANCE[dtype], source=self.encoder.record.sha256, written=after.record.sha256,
        )  # fmt: skip

    def _judged(
        self,
        plan: MitigationPlan,
        change: fold.ModelChange,
        folded: Fold,
        after: Encoder,
        earlier: tuple[EarlierRun, ...] | None,
        clock: Clock,
    ) -> Mitigation:
        shown = part_of(self.data.dataset, np.flatnonzero(~self.split.fit).tolist())
        audits = [self._audited(encoder, shown) for encoder in (self.encoder, after)]
        compared = compare_sides([side for audit in audits for side in audit.sides()], CompareRequest(sides=tuple(audits)), clock).facts
        compared = self.gates.decide(compared, found_questions(audits[0].results))
        capability = _capability(plan, audits, self.request, self.probe.cluster)
        before, changed = (audit.audited[0].predictions[self.question.measurement.name] for audit in audits)
        moved = moved_answers(before, changed, self.question.attribute)
        maps = plan.others if plan.training else (plan.method, *plan.others)
        tried, refused = try_maps(maps, self.split.inputs, self.split.shown, {plan.method: changed} if plan.training else None)
        planned = [change for change in compared.comparisons[0].changes if change.primary]

        def decided(controls: Sequence[MapControl]) -> tuple[Outcome, tuple[Note, ...]]:
            return decide_outcome(plan.question, planned, capability, controls, plan.margin, plan.settings.alpha)

        # Trainings take minutes: they are made where they decide.
        controlled = change.controls() if plan.training is None or decided(())[0] == "better" else ()
        outcome, reasons = decided(controlled)
        return Mitigation(
            schema_version=SCHEMA_VERSION, status="complete", tool=f"vlm-audit {__version__}", command=self.request.command, plan=plan,
            earlier=earlier, fitted=self.split.fitted_half, shown=self.split.shown_half, fold=folded, compared=compared,
            moved=moved,
            tried=tried, refused=refused, controls=controlled, capability=capability, outcome=outcome, reasons=reasons,
            environment={name: installed(name) for name in PACKAGES} | {"python": sys.version.split()[0]}, timing=clock.timing(),
        )  # fmt: skip

    def _audited(self, encoder: Encoder, shown: Dataset) -> Audit:
        """Audit a model on the shown half: the probe's measurements alone."""
        probe = replace(self.probe, specifications=(), analyses=(), published=(), what_ifs=())
        already = {"attributes_from": None, "bins": (), "image_root": None, "image_column": None, "encoding": None, "cluster": None}
        return run_audit(self.request.audit_request(model=encoder, model_args=None, probe=probe, data=shown, **already))


def _capability_of(probe: Probe, question: TargetQuestion) -> Measurement | None:
    """The measurement whose accuracy is watched: that of the question, or the first whose true answer is not the group."""
    measurements = (question.measurement, *probe.measurements)
    return next((measurement for measurement in measurements if measurement.truth not in (None, question.attribute)), None)


def _capability(plan: MitigationPlan, audits: Sequence[Audit], request: MitigateRequest, cluster: str | None) -> Capability | None:
    if plan.capability is None:
        return None
    before, after = (audit.audited[0].predictions[plan.capability] for audit in audits)
    cost = utility(before, after, replace(request.settings, alpha=CAPABILITY_ALPHA), cluster)
    code = capability_code(cost.change.low, cost.change.high, plan.margin)
    return Capability(plan.capability, cost.n, cost.before, cost.after, cost.change, plan.margin, code)


def _describe(folder: Folder, facts: Mitigation) -> None:
    """Add a paragraph to the model's README.md."""
    before = folder.read("README.md").decode("utf-8", "replace").rstrip() + "\n\n" if folder.is_file("README.md") else ""
    folder.write("README.md", (before + note_for_model_card(facts)).encode())
