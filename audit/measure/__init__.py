"""Embeddings or likelihoods and a measurement's label set in, predictions out: one kind of question a file, NumPy only.

`zero_shot.predict` for dual encoders, `interview.interview` for generative models, `slices.with_slices` for further groups.
"""
