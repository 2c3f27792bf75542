"""Generative models that are asked in words: a folder in, likelihoods of answers out."""
