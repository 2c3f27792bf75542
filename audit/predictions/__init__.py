"""External predictions: from a table in a file or a data frame to predictions and the claims to test on them.

`read.load_predictions` reads them; `default_claims.default_claims` makes a probe for them.
"""
