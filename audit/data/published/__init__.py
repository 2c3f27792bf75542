"""Turns published tables with images in a folder into data sets."""
