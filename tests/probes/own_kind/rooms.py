"""Whose pictures look more like a kitchen than like an office? Two sets of pictures that show nobody stand in the place of words (iEAT)."""

from audit.analyses.plans import AssociationPlan
from audit.data import load_dataset
from audit.data.schema import Column, Schema
from audit.types import Probe, ProbeData

ROOMS = ("kitchen", "office")
PICTURES = Schema((Column("person", ("woman", "man")), Column("room", ROOMS)))


def load(options):
    """Return pictures of people, whose room is empty, and of rooms, whose person is empty."""
    return load_dataset(options.location, PICTURES, name="rooms", licence="ours")


PROBE = Probe(
    name="rooms",
    question="Whose pictures look more like a kitchen than like an office?",
    load=load,
    measurements=(),
    analyses=(
        AssociationPlan(
            "Whose pictures are nearer to kitchens than to offices?", {}, ("person",), "rooms v1",
            images={room: {"room": (room,)} for room in ROOMS},
        ),
    ),
    source="our own question",
    licence="ours",
    data=ProbeData("rooms", ("labels.csv: file, person, room, beside the pictures",), "Ask us."),
    limits=("What makes pictures alike may be light or background as well as people.",),
    not_tested=("people in rooms",),
)  # fmt: skip
