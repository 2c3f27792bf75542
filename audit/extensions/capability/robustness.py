"""Robustness by group: whose pictures are no longer recognised when they are blurred, compressed, attacked, or from another source?"""

from __future__ import annotations

from dataclasses import replace

from audit.analyses.plans import IMAGENET_C, AttackPlan, ImageConditionsPlan, NaturalShiftPlan
from audit.extensions.capability.labelled import BEFORE_DATA, LABELLED, MOST_LEVELS, asked_of_classes, load_labelled
from audit.extensions.capability.open_clip_prompts import is_imagenet
from audit.types import UNKNOWN, Dataset, Probe

SHIFT_COLUMNS = ("condition", "source", "domain", "device", "camera", "light", "weather", "season", "country")
"""Names of columns that give the natural condition or the source of a picture."""
STANDARD = ("standard", "original", "reference", "clean", "in-distribution")
"""Names of the baseline level; if no level has such a name, the level with the most pictures."""


def natural_shifts(dataset: Dataset, measurement: str, by: tuple[str, ...]) -> tuple[NaturalShiftPlan, ...]:
    """Return a plan for each condition column, with its baseline level."""
    plans = []
    for column in SHIFT_COLUMNS:
        counted = dataset.attributes[column].value_counts().to_dict() if column in dataset.levels else {}
        known = [level for level in dataset.levels.get(column, ()) if level != UNKNOWN and level in counted]
        if column in dataset.several or not 2 <= len(known) <= MOST_LEVELS:
            continue
        named = [level for level in known if level.lower() in STANDARD]
        standard = named[0] if named else max(known, key=lambda level: int(counted[level]))
        question = f"Who is recognised less often outside the {column} ‘{standard}’?"
        groups = tuple(name for name in by if name != column)
        plans.append(NaturalShiftPlan(question, measurement=measurement, column=column, standard=standard, by=groups))
    return tuple(plans)


def asked_of_data(dataset: Dataset) -> Probe:
    """Return the questions for these data."""
    measurement, by = asked_of_classes(dataset)
    plan = ImageConditionsPlan(
        question="Whose pictures stop being recognised first?", measurement=measurement.name, by=by, corruptions=IMAGENET_C,
        normalized_by="AlexNet" if is_imagenet(measurement.label_set.labels) else None,
        words={label: label.replace("_", " ") for label in measurement.label_set.labels},
    )  # fmt: skip
    return replace(
        PROBE,
        measurements=(measurement,),
        analyses=(
            plan,
            AttackPlan(question="Whose pictures are easier to attack?", measurement=measurement.name, by=by),
            *natural_shifts(dataset, measurement.name, by),
        ),
    )


PROBE = Probe(
    name="robustness",
    question="Whose pictures are no longer recognised when they are corrupted, or carry a wrong word?",
    load=load_labelled,
    measurements=(BEFORE_DATA,),
    source="Corruptions of ImageNet-C with their published parameters, Hendrycks and Dietterich 2019 (arXiv 1903.12261), "
    "printed words after Goh et al. 2021, natural shifts and "
    "effective robustness after Taori et al. 2020 (arXiv 2007.00644); the code is our own",
    licence="that of your data; digits of scikit-learn: CC BY 4.0",
    limits=(
        "Corruptions are made by a program; a bad camera or real fog may hurt otherwise.",
        "Fourteen kinds are those of ImageNet-C; frost is procedural, because the photographs that the published one blends may not be "
        "distributed. It is not part of the mean corruption error.",
        "Pictures are corrupted with a shorter side of 224 pixels, whole: ImageNet-C shows the central square of 224 of 256 pixels.",
        "At most 400 pictures are changed, drawn by the seed; a group whose pictures are not recognised unchanged cannot lose much.",
        "On pictures of a few dozen pixels a printed word may be too small to read.",
        "Pictures of another condition may show other things: that accuracy falls there does not say that the condition is the cause.",
    ),
    not_tested=(
        "attacks on models that give no gradients of their pixels, such as plug-ins and models that are asked questions",
        f"natural shifts that no column of the data says: one of {', '.join(SHIFT_COLUMNS)}",
    ),
    data=replace(
        LABELLED,
        layout=(
            *LABELLED.layout,
            f"for natural shifts a column of conditions: {', '.join(SHIFT_COLUMNS)}; the standard one is called "
            f"{STANDARD[0]}, or has most pictures",
        ),
    ),
    fitted=asked_of_data,
)
