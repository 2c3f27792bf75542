"""Encoders of text alone. In: a sentence-transformers folder, or a text model of transformers and a pooling. Out: a `TextEncoder`."""

from audit.extension import Extension, ModelKind

EXTENSION = Extension(
    "text_encoders",
    models=(
        ModelKind(
            "text encoder",
            load="audit.extensions.text_encoders.kind:load",
            scheme="text",
            usage="text:FOLDER",
            form="text:DIR (an encoder of text alone)",
            marker="modules.json",
        ),
    ),
)
