"""Judges facts about machines and bundles from data; standard library only."""
