"""The one training loop: batches, optimiser, early stopping, checkpoints, resume."""
