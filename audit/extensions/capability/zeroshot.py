"""Zero-shot capability by group: are the classes of labelled pictures recognised equally often, and for whom do more prompts help?"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from audit.analyses.plans import PromptConditionsPlan
from audit.extensions.capability.labelled import (
    BEFORE_DATA,
    LABELLED,
    TEMPLATES_PRESET,
    asked_of_classes,
    brought_prompts,
    compared_by,
    load_labelled,
    recognised,
)
from audit.extensions.capability.open_clip_prompts import has_templates, imagenet_name, templated, templates_version
from audit.types import Dataset, LabelSet, Measurement, Probe

if TYPE_CHECKING:
    from audit.extensions.capability.clip_benchmark import ClassPrompts


def asked_of_data(dataset: Dataset) -> Probe:
    """Return the questions for these data: their classes or, for faces, the attributes that come with classes and templates."""
    brought = brought_prompts(dataset)
    if brought and "class" not in brought:
        questions = tuple(_of_attribute(dataset, name, prompts) for name, prompts in brought.items())
    else:
        questions = (asked_of_classes(dataset)[0],)
    plans = tuple(_plan(question) for question in questions if any(len(texts) > 1 for texts in question.label_set.prompts.values()))
    return replace(PROBE, measurements=questions, analyses=plans, not_tested=_not_tested(dataset) if brought else PROBE.not_tested)


def _of_attribute(dataset: Dataset, name: str, brought: ClassPrompts) -> Measurement:
    """Return the question about an attribute of the people shown."""
    labels = tuple(dict.fromkeys(brought.classes))
    claims, outcomes = recognised(dataset, name, labels, compared_by(dataset, ""))
    return Measurement(
        name, f"Is {name} named rightly equally often in every group?",
        LabelSet(name, labels, {label: brought.prompts(label) for label in labels}), brought.version,
        claims, truth=name, outcomes=outcomes, infers=name,
    )  # fmt: skip


def _plan(measurement: Measurement) -> PromptConditionsPlan:
    prompts, labels = measurement.label_set.prompts, measurement.label_set.labels
    most = max(map(len, prompts.values()))
    ensembles = {"one template": {label: texts[:1] for label, texts in prompts.items()}, f"all {most} templates": dict(prompts)}
    preset = measurement.preset
    if measurement.preset == TEMPLATES_PRESET and has_templates():
        of_open_clip = {label: templated(imagenet_name(label, labels).replace("_", " ")) for label in labels}
        for count in range(2):
            texts = {label: text_lists[count] for label, text_lists in of_open_clip.items()}
            ensembles[f"open_clip's {len(texts[labels[0]])} templates"] = texts
        preset = f"{preset}, {templates_version()}"
    return PromptConditionsPlan(
        question="What does averaging several prompt templates gain, and for whom?", measurement=measurement.name,
        by=tuple(dict.fromkeys(name for claim in measurement.claims for name in claim.by)), conditions=ensembles, preset=preset,
    )  # fmt: skip


def _not_tested(dataset: Dataset) -> tuple[str, ...]:
    """Return what is not tested for data that come with classes and templates."""
    names = getattr(dataset, "without_truth", ())
    more = (f"{', '.join(names)}: the data bring prompts, and no true answer",) if names else ()
    return ("other prompt templates than those of the data", "classes that the data do not name", *more)


PROBE = Probe(
    name="zeroshot",
    question="Are pictures of every group recognised equally often, without training on them?",
    load=load_labelled,
    measurements=(BEFORE_DATA,),
    source="Zero-shot classification and prompt ensembling: Radford et al. 2021 (arXiv 2103.00020), section 3.1; prompts are our own",
    licence="that of your data; digits of scikit-learn: CC BY 4.0",
    limits=(
        "A class that the model knows by another word counts as not known: prompts use the class names of the data.",
        "Groups differ in which classes their pictures show; a gap may come from harder classes.",
    ),
    not_tested=(
        "other prompt templates than our eight and, where open_clip_torch is installed, its 7 and 80",
        "classes that the data do not have",
    ),
    data=LABELLED,
    fitted=asked_of_data,
    not_for_classifiers="--probe classes asks about the classes of your data, without prompts",
)
