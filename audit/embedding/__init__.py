"""Embeds a data set with a model: each image and each text goes through the model once, and is cached by its content.

`embed.embed_images`, `embed.embed_texts`; they fill a `cache.EmbeddingCache`.
"""
