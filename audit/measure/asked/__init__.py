"""A generative model, asked in words: a probe in, its questions and the likelihoods of their options, or what it writes, out."""
