"""Models that can be written again in the form they came in, with other output layers."""
