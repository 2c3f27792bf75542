"""The questions of an audit besides its measurements, one folder per kind: plan, record and computation. None affects a verdict."""
