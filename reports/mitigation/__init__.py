"""The page of a mitigation: what it did to the gap, what it cost, and whether random maps do as well; drawn from `mitigation.json`."""
