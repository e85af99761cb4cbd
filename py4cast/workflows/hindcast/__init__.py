"""Hindcasts: forecasts from many starts in one job."""
