"""How fast the simulated shop is written, and in how much memory."""
