"""The page of a comparison: `comparison.json` in, `comparison.html` out."""
