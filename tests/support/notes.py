"""Notes in words."""

from audit.types import Note
from reports.text.notes import sentence


def told(note):
    """Return the words of a note as a file holds it."""
    return sentence(Note(**note))


def sentences(notes):
    """Return the words of notes."""
    return tuple(sentence(Note.of(note)) for note in notes)
