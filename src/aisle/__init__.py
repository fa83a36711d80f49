"""aisle: from a shopper log to recommendations, in one command.

Nothing heavy is imported here: `import aisle` works without torch.
"""

__version__ = "0.1.0"
