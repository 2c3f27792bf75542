"""Predictions of any size: reads Parquet parts in batches of rows, and counts the combinations that occur."""
