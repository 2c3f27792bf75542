"""Supporting evidence of a finding, one kind a file: counts in, records out. It decides no verdict."""
