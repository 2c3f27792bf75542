"""Image classifiers. In: a folder in Hugging Face layout, or an ONNX file. Out: a `Classifier`, the logits of a fixed list of labels."""

from audit.extension import Extension, ModelKind

EXTENSION = Extension(
    "classifiers",
    models=(
        ModelKind(
            "image classifier",
            load="audit.extensions.classifiers.kinds:load_classifier",
            is_kind="audit.extensions.classifiers.kinds:is_classifier",
        ),
        ModelKind(
            "ONNX image classifier",
            load="audit.extensions.classifiers.kinds:load_onnx",
            scheme="onnx",
            usage="onnx:FILE",
            form="onnx:FILE (an image classifier)",
            suffixes=(".onnx",),
        ),
    ),
)
