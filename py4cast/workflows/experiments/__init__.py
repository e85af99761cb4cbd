"""Experiments: campaigns of trainings that are compared in the end."""
