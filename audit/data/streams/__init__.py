"""Streamed data, local or behind URLs: web datasets (tar), Parquet, tables with images beside them.

Identifiers and attributes are read first; images are read on demand, and not kept.
"""
