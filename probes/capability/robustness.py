"""Robustness by group: whose pictures are no longer recognised once they are blurred, noisy, compressed, or carry a wrong word?"""

from __future__ import annotations

from dataclasses import replace

from audit.plans import AttackPlan, ImageConditionsPlan
from audit.types import Dataset, Probe
from probes.capability import BEFORE_DATA, LABELLED, asked_of_classes, load_labelled

CORRUPTIONS = ("Gaussian noise", "shot noise", "defocus blur", "motion blur", "brightness", "contrast", "JPEG", "pixelate")


def asked_of_data(dataset: Dataset) -> Probe:
    """Return what is asked of these data."""
    asked, by = asked_of_classes(dataset)
    plan = ImageConditionsPlan(
        question="Whose pictures stop being recognised first?", measurement=asked.name, by=by, corruptions=CORRUPTIONS,
        words={label: label.replace("_", " ") for label in asked.label_set.labels},
    )  # fmt: skip
    return replace(
        PROBE,
        measurements=(asked,),
        analyses=(plan, AttackPlan(question="Whose pictures are easier to attack?", measurement=asked.name, by=by)),
    )


PROBE = Probe(
    name="robustness",
    question="Whose pictures are no longer recognised when they are corrupted, or carry a wrong word?",
    load=load_labelled,
    measurements=(BEFORE_DATA,),
    source="Corruptions after Hendrycks and Dietterich 2019 (arXiv 1903.12261), printed words after Goh et al. 2021; the code is our own",
    licence="that of your data; digits of scikit-learn: CC BY 4.0",
    limits=(
        "Corruptions are made by a program; a bad camera or real fog may hurt otherwise. Strengths are ours, not a benchmark's.",
        "At most 400 pictures are changed, drawn by the seed; a group whose pictures are not recognised unchanged cannot lose much.",
        "On pictures of a few dozen pixels a printed word may be too small to read.",
    ),
    not_tested=(
        "attacks on models that give no gradients of their pixels, such as plug-ins and models that are asked questions",
        "natural shifts: give the column that says where a picture comes from as an attribute, and compare by it",
    ),
    data=LABELLED,
    fitted=asked_of_data,
)
