"""A data set and a model go in, embeddings come out: each image and each text goes through the model once, and is kept by its content.

`embed.embed_images`, `embed.embed_texts`; `cache.EmbeddingCache` is what they fill.
"""
