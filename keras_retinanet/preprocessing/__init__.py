"""From annotation files and pictures to batches. Knows nothing of networks."""
