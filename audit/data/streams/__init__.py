"""Data that are read as they come, local or behind URLs: web datasets (tar), Parquet, tables with images beside them.

Identifiers and attributes first; an image is read when it is asked for, and none is kept.
"""
