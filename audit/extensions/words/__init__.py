"""Words in training captions. In: captioned images, words, groups. Out: who is called what, as words.csv and a page, before training."""

from audit.extension import Command, Extension

EXTENSION = Extension(
    "words",
    commands=(
        Command("words", "who is called what in training captions, before anything is trained", "audit.extensions.words.command:main"),
    ),
    templates="audit.extensions.words",
)
