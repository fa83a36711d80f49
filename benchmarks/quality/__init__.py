"""How good the models are on public logs, over seeds, beside published figures."""
