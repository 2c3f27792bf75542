"""Who is taken for a trader at a market stall, and whose pictures are found first? People are boxes; tones are what annotators saw."""

from audit.analyses.plans import RankingPlan
from audit.data import load_dataset
from audit.data.cells.boxes import Box
from audit.data.schema import Column, Schema
from audit.types import Claim, LabelSet, Measurement, Probe, ProbeData

TONES = ("1", "2", "3")
PEOPLE = Schema(
    (Column("hand", ("left", "right")), Column("tone", TONES, counts=("tone_1", "tone_2", "tone_3"))),
    box=Box(("box",), margin=0.1),  # {"x": 4, "y": 4, "width": 24, "height": 16}, in pixels
)
PROMPTS = {"trader": ("a photo of a trader",), "customer": ("a photo of a customer",)}


def load(options):
    """Return a crop a person, with the attribute `picture` that says which picture it is of."""
    return load_dataset(options.location, PEOPLE, name="stalls", licence="ours")


PROBE = Probe(
    name="stalls",
    question="Who is taken for a trader?",
    load=load,
    measurements=(
        Measurement(
            "role",
            "Trader or customer?",
            LabelSet("role", tuple(PROMPTS), PROMPTS),
            preset="stalls v1",
            claims=(Claim("selection_rate", ("hand",), "trader"), Claim("selection_rate", ("tone",), "trader", primary=False)),
            outcomes={"trader": ("trader",)},
        ),
    ),
    analyses=(RankingPlan("Who is found first at a stall?", PROMPTS, ("hand", "tone"), preset="stalls v1", ks=(10,)),),
    source="our own question",
    licence="ours",
    data=ProbeData("stalls", ("labels.csv: file, box, hand, tone_1, tone_2, tone_3, beside the pictures",), "Ask us."),
    limits=("Tones are what annotators saw; where they disagree, a person counts in each with a share.",),
    not_tested=("markets elsewhere",),
    cluster="picture",
)
