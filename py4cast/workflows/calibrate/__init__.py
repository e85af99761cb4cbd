"""calibrate: what past forecasts of a Forecaster say of its next ones."""
