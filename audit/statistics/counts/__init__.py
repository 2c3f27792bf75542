"""Predictions in, count tables out: everything that the statistics know of the images."""
