"""What commands print: results, a plan or the probes in, lines of so many columns out."""
