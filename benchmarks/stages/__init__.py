"""How long two stages take to answer."""
