"""Counts predictions: number of images for each combination of group, true answer and answer."""
