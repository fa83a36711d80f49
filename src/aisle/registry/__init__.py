"""Bundles in a folder anywhere: publish, promote, roll back, with history."""
