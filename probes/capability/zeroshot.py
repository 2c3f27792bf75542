"""Zero-shot capability by group: are the classes of any labelled pictures recognised equally often, and for whom do more prompts help?"""

from __future__ import annotations

from dataclasses import replace

from audit.plans import PromptConditionsPlan
from audit.types import Dataset, Probe
from probes.capability import BEFORE_DATA, LABELLED, TEMPLATES, TEMPLATES_PRESET, asked_of_classes, load_labelled


def asked_of_data(dataset: Dataset) -> Probe:
    """Return what is asked of these data."""
    asked, by = asked_of_classes(dataset)
    prompts = asked.label_set.prompts
    ensembles = {"one template": {label: texts[:1] for label, texts in prompts.items()}, f"all {len(TEMPLATES)} templates": dict(prompts)}
    plan = PromptConditionsPlan(
        question="What does averaging several prompt templates gain, and for whom?", measurement=asked.name, by=by, conditions=ensembles,
        preset=TEMPLATES_PRESET,
    )  # fmt: skip
    return replace(PROBE, measurements=(asked,), analyses=(plan,))


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
    not_tested=("other prompt templates than our eight", "classes that the data do not have"),
    data=LABELLED,
    fitted=asked_of_data,
)
