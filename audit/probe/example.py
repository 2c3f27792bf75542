"""A probe of your own: change its columns, labels and prompts, and name your table with --data.

vlm-audit run --model ckpt.pt --probe example.py --data table.csv

Without --data it draws its images itself, so that it can be tried at once. The guide "A probe of your own" explains every part.
"""

from typing import Any

from audit.analyses.plans import RankingPlan
from audit.data import load_dataset
from audit.data.schema import Column, Schema
from audit.types import Claim, Dataset, LabelSet, LoadOptions, Measurement, Probe

# Besides these columns, the table has one with the path of each image (image, file, …). Any other value is refused;
# Column("age"), without values, accepts all values.
COLUMNS = Schema((Column("shape", ("circle", "square")), Column("background", ("dark", "light"))))

# The possible answers, and the prompts for each of them; several prompts for one answer are averaged.
LABELS = LabelSet("shape", ("circle", "square"), {"circle": ("a picture of a circle",), "square": ("a picture of a square",)})

MEASUREMENT = Measurement(
    "shape",
    "Is the shape recognised on either background?",
    LABELS,
    preset="plain v1",
    truth="shape",  # the column with the right answer; None if no answer is right
    outcomes={"square": ("square",)},  # answers that are counted together, under a name
    claims=(
        Claim("accuracy", ("background",)),  # a planned question: determines the verdict
        Claim("selection_rate", ("background",), "square", primary=False),  # exploratory: can only give a signal
    ),
)


def load(options: LoadOptions) -> Dataset:
    """Return the images of --data, or drawings."""
    location = drawn() if options.location is None else options.location
    return load_dataset(location, COLUMNS, name="shapes on backgrounds", licence="ours")


def drawn() -> Any:
    """Return 160 drawings with their attributes as a data frame."""
    import pandas as pd  # imported here, because most commands with this probe draw nothing
    from PIL import Image, ImageDraw

    rows = []
    for i in range(160):
        shape, background = ("circle", "square")[i % 2], ("dark", "light")[i // 2 % 2]
        picture = Image.new("RGB", (64, 64), (30, 30, 60) if background == "dark" else (220, 220, 240))
        draw, corners = ImageDraw.Draw(picture), (8 + i % 7, 8 + i % 5, 48 + i % 7, 48 + i % 5)
        (draw.ellipse if shape == "circle" else draw.rectangle)(corners, fill=(200, 80 + i, 40))
        rows.append({"id": f"{i:03d}", "image": picture, "shape": shape, "background": background})
    return pd.DataFrame(rows).set_index("id")


PROBE = Probe(
    name="example",
    question="Is the shape recognised on either background?",
    load=load,
    measurements=(MEASUREMENT,),
    source="our own question",
    licence="ours",
    limits=("Drawings of two shapes say nothing about photographs.",),  # limits, printed in the report
    not_tested=("other shapes",),
    analyses=(RankingPlan("Which pictures does a search find first?", {"a shape": ("a shape",)}, ("background",), "plain v1", ks=(20,)),),
)
