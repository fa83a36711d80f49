"""A simulated shop whose true preferences are known."""
