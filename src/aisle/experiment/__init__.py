"""A recipe becomes a run: what a notebook calls."""
