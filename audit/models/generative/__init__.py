"""Generative models: loads a folder in Hugging Face layout into a model that returns likelihoods of answers (`folder.load`)."""
