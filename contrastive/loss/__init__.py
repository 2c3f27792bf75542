"""Losses and objectives: a batch's features or tokens in, a scalar and its exact gradient out."""
