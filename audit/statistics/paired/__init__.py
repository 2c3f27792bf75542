"""Counterfactual pairs and paired models: the same images twice, counted together."""
