"""What commands print: results, a plan, or the probes, wrapped to the terminal's width."""
