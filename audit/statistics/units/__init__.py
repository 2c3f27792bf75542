"""Predictions and a rate in, sampling units out: images, or clusters of images, with their intervals and tests."""
