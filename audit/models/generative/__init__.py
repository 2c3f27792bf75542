"""Generative models: a folder in Hugging Face layout goes in, a model that gives likelihoods of answers comes out (`folder.load`)."""
