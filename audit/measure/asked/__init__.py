"""Questions of a probe for a generative model: the likelihoods of their options, or the texts that the model writes."""
