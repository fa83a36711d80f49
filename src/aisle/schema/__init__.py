"""Plain data contracts: column names, event kinds, and the manifest of a prepared dataset."""
