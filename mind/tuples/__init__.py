"""Training tuples (Iu, Pu, Fi): targets, splits by time and the history before each target."""
