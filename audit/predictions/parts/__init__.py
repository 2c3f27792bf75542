"""Predictions of any size: Parquet parts go in, read a batch of rows at a time; the combinations that occur, and how often, come out."""
