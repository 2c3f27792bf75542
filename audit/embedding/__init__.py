"""Data set and model in, embeddings out: each image and each text goes through the model once, ever."""
