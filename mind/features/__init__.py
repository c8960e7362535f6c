"""Vocabulary, encoding and point-in-time histories: the same functions for training and for serving."""
