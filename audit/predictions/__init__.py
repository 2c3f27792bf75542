"""External predictions: a table in a file or a data frame goes in; predictions and the claims to test on them come out.

`read.load_predictions` reads them; `default_claims.default_claims` makes a probe of them.
"""
