"""The page of ``vlm-audit causes``: what in the training data made a gap, how sure that is, and what would have prevented it."""
