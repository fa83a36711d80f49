"""How good is it, and how sure are we: ranks, metrics, intervals, slices, paired comparison."""
