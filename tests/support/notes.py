"""Notes as a file holds them, in words."""

from audit.types import Note
from reports.text.notes import sentence


def told(note):
    return sentence(Note(**note))
