"""What shoppers do while the service runs: accepted means on disk, and the next recommendation reflects it."""
