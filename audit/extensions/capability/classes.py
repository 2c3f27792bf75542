"""Recognition by group: are the classes of labelled pictures recognised equally often? For any model, image classifiers too."""

from __future__ import annotations

from dataclasses import replace

from audit.extensions.capability.labelled import BEFORE_DATA, LABELLED, asked_of_classes, load_labelled
from audit.types import Dataset, Probe


def asked_of_data(dataset: Dataset) -> Probe:
    """Return the question for these data: their classes."""
    return replace(PROBE, measurements=(asked_of_classes(dataset)[0],))


PROBE = Probe(
    name="classes",
    question="Are pictures of every group recognised equally often?",
    load=load_labelled,
    measurements=(BEFORE_DATA,),
    source="The classes of your own data, in its words",
    licence="that of your data; digits of scikit-learn: CC BY 4.0",
    limits=(
        "A class that the model knows by another word counts as not known: prompts use the class names of the data.",
        "Groups differ in which classes their pictures show; a gap may come from harder classes.",
    ),
    not_tested=("classes that the data do not have",),
    data=LABELLED,
    fitted=asked_of_data,
)
