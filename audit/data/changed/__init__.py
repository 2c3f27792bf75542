"""A data set in, a changed one out: fewer images, or further attributes."""
