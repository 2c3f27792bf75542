"""Past one machine: a data set in parts, one receipt a part (`parts`, `receipts`), or on a Ray cluster (`ray_data`).

All of them fill the same cache (`audit.embedding.cache`); what is in it says nothing of who put it there.
"""
