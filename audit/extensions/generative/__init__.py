"""Generative models. In: a folder in Hugging Face layout. Out: an `Answerer` and `Writer`: likelihoods of the options of a question about
an image, and texts.

::

    kind             which folders have one, and its loader
    folder           from a folder to a model
    processor        image processor, tokenizers and chat template of a folder, each loaded by itself
    chat_template    the text around a question
    prompts          image and question as the inputs of a model
    model, scoring   likelihoods; encoder_decoder for models that answer with another network than they read with
    writing          greedy decoding
    self_check       what may be reused between questions and images, found out when a model is loaded
    placement        layers over several GPUs
"""

from audit.extension import Extension, ModelKind

EXTENSION = Extension(
    "generative",
    models=(
        ModelKind(
            "generative model",
            load="audit.extensions.generative.kind:load_generative",
            is_kind="audit.extensions.generative.kind:is_generative",
        ),
    ),
)
