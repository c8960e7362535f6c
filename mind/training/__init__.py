"""Training: tuples from petastorm, ranks from torchrun, no Spark."""
