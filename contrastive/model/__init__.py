"""The dual encoder: `architecture.ModelConfig` says what it is made of, `clip.CLIP` takes pixels and ids and returns features.

`preprocess.Preprocess` makes the pixels, `tokenizer.Tokenizer` the ids. Architecture and presets need no torch.
"""
