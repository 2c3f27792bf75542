"""Scaling beyond one machine. In: what an audit needs. Out: its embeddings, in the cache: in this process, in parts or on a Ray cluster."""

from audit.extension import Command, Extension

EXTENSION = Extension(
    "scale",
    commands=(
        Command(
            "embed", "fill the cache of an audit: on this machine, in parts or on a Ray cluster", "audit.extensions.scale.command:main"
        ),
    ),
)
