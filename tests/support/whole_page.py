"""Results whose page has every section, every kind of chart and every control."""

import base64
import io
import itertools
from dataclasses import replace

from PIL import Image

from audit import results as facts
from audit.records.counts import CountRecord
from tests.support import report_samples as samples
from tests.support.extension_pages import appendix_records

GENDERS = ("man", "person", "woman")
ANSWERS = tuple(f"long role {place}" for place in range(25))


DRAWN = (("woman", True, ("long role 1", "long role 1")), ("woman", False, ("long role 1", "long role 2")))


def whole():
    """Return the results."""
    everything = samples.everything()
    first, *others = everything.audits
    measurement = replace(first.measurements[0], name="role", truth="role")
    full = replace(
        first,
        measurements=(measurement, *first.measurements[1:]),
        counts=(counts(),),
        examples=(facts.Example("role", picture()),),
        pictures=facts.AnsweredImages(
            first.findings[0].id, tuple(facts.AnsweredImage((gender,), right, *answers, picture()) for gender, right, answers in DRAWN)
        ),
    )
    full = full.with_analyses(appendix_records())
    return replace(everything, audits=(full, *others), gates=samples.gates("breached", "held", "inconclusive"))


def counts():
    """40 images of each role and gender, as many columns as a table of answers may have; one of ten is taken for the next."""
    n = len(ANSWERS)
    cells = {}
    for gender, truth in itertools.product(range(len(GENDERS)), range(n)):
        for answer, images in ((truth, 36 - 4 * gender), ((truth + 1) % n, 4 + 4 * gender)):
            cells[(gender * n + truth) * n + answer] = images
    places, images = zip(*sorted(cells.items()), strict=True)
    return CountRecord("role", ("gender",), (GENDERS,), ANSWERS, True, places, images, ())


def picture():
    file = io.BytesIO()
    Image.new("RGB", (8, 8), (120, 90, 60)).save(file, "JPEG")
    return base64.b64encode(file.getvalue()).decode()
