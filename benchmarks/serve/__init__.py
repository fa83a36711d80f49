"""How many requests a second the service holds within a latency limit, and TorchServe beside it."""
