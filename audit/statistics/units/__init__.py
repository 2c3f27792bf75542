"""The sampling unit: every image, or every cluster of images. Counts in, intervals and nulls out."""
