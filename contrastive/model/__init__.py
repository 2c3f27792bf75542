"""The dual encoder: `architecture.ModelConfig` describes its architecture, `clip.CLIP` maps pixels and ids to features.

`preprocess.Preprocess` produces the pixels, `tokenizer.Tokenizer` the ids. Architecture and presets do not need torch.
"""
