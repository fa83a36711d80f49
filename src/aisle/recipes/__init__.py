"""The recipes that ship with aisle, as TOML: `logs/` for reading public logs, `models/` for training."""
