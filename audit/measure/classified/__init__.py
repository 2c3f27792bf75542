"""For image classifiers: their labels and a table of what they mean -> the questions of a probe that they can answer, and the answers."""
