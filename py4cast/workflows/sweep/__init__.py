"""Sweeps: many trainings over a space of settings, judged on the validation period."""
