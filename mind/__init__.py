"""MIND as a nightly batch: behaviour logs in, a table of candidates for every user out."""
