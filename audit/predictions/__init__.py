"""External predictions: a CSV or Parquet file in, predictions and the claims to test on them out."""
