"""Scaling beyond one machine: a data set in parts, with one receipt per part (`parts`, `receipts`), or on a Ray cluster (`ray_data`).

All of them fill the same cache (`audit.embedding.cache`), whose contents do not depend on the engine.
"""
