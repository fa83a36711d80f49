"""A run becomes a bundle."""
