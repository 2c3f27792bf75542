"""A probe of your own. Change what it asks, and give it your pictures with --data.

vlm-audit run --model ckpt.pt --probe example.py --data table.csv

Without --data it draws pictures itself, so that it runs as it stands. The guide "A probe of your own" explains every part.
"""

from typing import Any

from audit.analyses.ranking.plan import RankingPlan
from audit.data import load_dataset
from audit.data.schema import Column, Schema
from audit.types import Claim, Dataset, LabelSet, LoadOptions, Measurement, Probe

# The table has a column with the path of each picture (image, file, …) and these columns; another value is refused by name.
# Column("age") alone would take whatever is found.
COLUMNS = Schema((Column("shape", ("circle", "square")), Column("background", ("dark", "light"))))

# What the model may answer, and the prompts for each answer; several prompts for one answer are averaged.
LABELS = LabelSet("shape", ("circle", "square"), {"circle": ("a picture of a circle",), "square": ("a picture of a square",)})

MEASUREMENT = Measurement(
    "shape",
    "Is the shape recognised on either background?",
    LABELS,
    preset="plain v1",
    truth="shape",  # the column with the right answer; None where no answer is right
    outcomes={"square": ("square",)},  # answers that count as one thing
    claims=(
        Claim("accuracy", ("background",)),  # counts for the verdict: planned before anybody looked
        Claim("selection_rate", ("background",), "square", primary=False),  # exploratory: a signal, or none
    ),
)


def load(options: LoadOptions) -> Dataset:
    """Return the pictures: those of --data, or drawn ones."""
    location = drawn() if options.location is None else options.location
    return load_dataset(location, COLUMNS, name="shapes on backgrounds", licence="ours")


def drawn() -> Any:
    """Return 160 pictures with their attributes as a data frame."""
    import pandas as pd  # here: most commands that name the probe draw nothing
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
    limits=("Drawings of two shapes say nothing about photographs.",),  # what it cannot tell, printed in the report
    not_tested=("other shapes",),
    analyses=(RankingPlan("Which pictures does a search find first?", {"a shape": ("a shape",)}, ("background",), "plain v1", ks=(20,)),),
)
