"""Scores: pure functions on tensors, one formula each, with its reference.

Fields are `(..., lat, lon, features)`. A function gives a value per cell, or per field where the formula is one of
whole fields; means over cells and forecasts, and the roots and ratios of means, are taken by the metrics.
"""
