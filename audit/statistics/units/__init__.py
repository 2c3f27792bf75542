"""Sampling units of a rate: images, or clusters of images, with their intervals and tests."""
