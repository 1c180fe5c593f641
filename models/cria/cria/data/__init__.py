"""Generators of the training and test data."""
