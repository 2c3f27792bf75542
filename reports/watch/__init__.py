"""The page of a watch: whether there is an alarm, the wealth of the bets on each gap, and how the test works."""
