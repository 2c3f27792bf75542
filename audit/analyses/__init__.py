"""What an audit asks besides its measurements, one folder per kind: plan, record and computation. None decides a verdict."""
