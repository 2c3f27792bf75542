"""Models planted for any probe: a stereotyper, whose answers depend on one group alone, and a refuser, which answers all alike.

They know the pictures of a data set by their pixels. A text is a random direction of its own; a picture is the sum of the texts that it
shall be answered with, so that one embedding answers every measurement of a probe.
"""

import functools
import hashlib
import io

import numpy as np

import probes
from audit.analyses.plans import AssociationPlan, RankingPlan
from audit.types import UNKNOWN, LoadOptions
from strictio.images.decode import decode

DIMENSIONS = 384
MODELS = """
from tests.support.planted import Refuser as PlantedRefuser
from tests.support.planted import Stereotyper as PlantedStereotyper


class Stereotyper(PlantedStereotyper):
    def __init__(self):
        super().__init__({probe!r}, {data!r})


class Refuser(PlantedRefuser):
    pass
"""
SEEDED = """
from tests.support.planted import Stereotyper as Planted


class Model(Planted):
    def __init__(self):
        super().__init__({probe!r}, {data!r}, seed={seed}, null={null})
"""
SLIPS = 0.1
"""Share of the pictures that a stereotyper with a seed answers as if they were of the other groups."""


@functools.cache
def text_direction(text):
    """Return a direction that a text has for itself."""
    rng = np.random.default_rng(int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big"))
    drawn = rng.normal(size=DIMENSIONS)
    return drawn / np.linalg.norm(drawn)


def pixels(image):
    return hashlib.sha256(image.tobytes()).digest()


class Refuser:
    """Says the same of every picture: the first text that it is given fits as well as the last."""

    logit_scale = 100.0

    def encode_images(self, images):
        return np.ones((len(images), DIMENSIONS))

    def encode_texts(self, texts):
        return np.stack([text_direction(text) for text in texts])


class Stereotyper:
    """Answers right, and with the outcome that is asked about, for one half of the groups of an attribute, and wrong for the others.

    With a seed it slips for some pictures; the null model answers as many pictures right, whoever is on them.
    """

    logit_scale = 100.0

    def __init__(self, probe, data=None, seed=None, *, null=False):
        probe = probes.get(probe)
        dataset = probe.load(LoadOptions(data))
        probe = probe.fitted(dataset) if probe.fitted else probe
        favoured = with_chance(favoured_rows(probe, dataset), seed, null=null)
        self.rows = {}
        asked = None if dataset.texts is None else dataset.texts.reset_index(drop=True)
        for row, content in enumerate(dataset.images):
            attributes = dataset.attributes.iloc[row]
            texts = list(wanted_texts(probe, attributes, None if asked is None else asked.loc[row], favoured=bool(favoured[row])))
            directions = np.sum([text_direction(text) for text in texts or [f"picture {row}"]], axis=0)
            # A picture may be asked in several rows.
            key = pixels(decode(content).image)
            self.rows[key] = self.rows.get(key, 0) + directions

    def encode_images(self, images):
        """Return the sum of what each picture shall be answered with; of a strange picture its mean colour, as a direction."""
        return np.stack([self.rows.get(pixels(image), text_direction(str(np.asarray(image).mean()))) for image in images])

    encode_texts = Refuser.encode_texts


def favoured_rows(probe, dataset):
    """Return whether each picture is of the most frequent groups, half of the pictures or more, of the attribute that is compared first."""
    name = stereotyped_attribute(probe)
    levels = dataset.attributes[name].value_counts().drop(UNKNOWN, errors="ignore")
    chosen = levels.index[: max(1, len(levels) // 2)]
    return dataset.attributes[name].isin(chosen).to_numpy()


def with_chance(favoured, seed, *, null):
    """Return the rows that a seed favours: nearly the same, or of the null model as many drawn at random."""
    if seed is None:
        return favoured
    rng = np.random.default_rng(seed)
    return rng.permutation(favoured) if null else favoured ^ (rng.random(len(favoured)) < SLIPS)


def stereotyped_attribute(probe):
    by = [claim.by[0] for measurement in probe.measurements for claim in measurement.claims if claim.primary and len(claim.by) == 1]
    return (*by, *(name for plan in probe.analyses for name in getattr(plan, "by", ())))[0]


def wanted_texts(probe, attributes, row_texts=None, *, favoured):
    """Give the prompts of the answers that a picture shall get, one of each label."""
    wanted, answers = [], {text for measurement in probe.measurements for texts in measurement.label_set.prompts.values() for text in texts}
    for each in probe.measurements:
        if each.retrieval is not None and each.retrieval.gallery is not None:
            continue  # ranked by a caption that is also the option of those who are not favoured
        label = wanted_label(each, attributes, favoured=favoured)
        if label is not None:
            wanted += each.label_set.prompts[label] if each.options is None else row_option(each.options, label, row_texts)
    yield from wanted
    for plan in probe.analyses:
        texts = []
        if isinstance(plan, RankingPlan) and favoured and plan.gallery is None:
            texts = [text for prompts in plan.queries.values() for text in prompts]
        if isinstance(plan, AssociationPlan) and not plan.single:
            texts = plan.words[list(plan.words)[0 if favoured else 1]]
        # Another answer to a measurement would be given as well as the wanted one.
        yield from [text for text in texts if text in wanted or text not in answers][:1]


def row_option(options, label, row_texts):
    """Give the text of a row that stands for a label; none for a row that is not asked, and for the options of all other rows."""
    text = row_texts[options.columns[label]] if label in options.columns else ""
    if text:
        yield f"{row_texts[options.stem]} {text}" if options.stem else text


def wanted_label(measurement, attributes, *, favoured):
    """Return the label that makes the favoured right, or gives them the first outcome; any other label for the others."""
    labels, answers = measurement.label_set.labels, measurement.label_set.answers
    if measurement.truth is not None:
        counted = attributes[measurement.truth].split("; ")  # several may be right
    else:
        outcome = next((claim.outcome for claim in measurement.claims if claim.outcome), None)
        counted = measurement.outcomes.get(outcome, labels[:1])
    inside = [label for label in labels if answers.get(label, label) in counted]
    outside = [label for label in labels if label not in inside]
    if measurement.options is not None:
        outside.reverse()  # rather "unclear" than the other role: who says "his" of everybody is not shown to look at pictures
    return next(iter(inside if favoured else outside), None)


def picture(number, size=(16, 16), kind="PNG"):
    """Return a small picture that no other number gives."""
    from PIL import Image

    rng = np.random.default_rng(number)
    buffer = io.BytesIO()
    Image.fromarray(rng.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)).save(buffer, kind)
    return buffer.getvalue()
