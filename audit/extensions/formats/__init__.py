"""`vlm-audit convert`. In: a finished audit. Out: another program's format. CycloneDX and the profile are in `reports`: packs hold them."""

from audit.extension import Command, Extension

EXTENSION = Extension(
    "formats",
    commands=(
        Command(
            "convert",
            "the results of an audit in a format of another program: CycloneDX, in-toto, GitHub and others",
            "audit.extensions.formats.command:main",
        ),
    ),
)
