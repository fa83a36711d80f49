"""How fast raw logs become a dataset."""
