"""Predictions in, counts out: how many images have each combination of group, true answer and answer."""
