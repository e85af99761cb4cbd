"""charts: what a forecast is along time, along a line, or above a place."""
