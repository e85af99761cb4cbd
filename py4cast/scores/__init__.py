"""Scores: pure functions on tensors, one formula each."""
