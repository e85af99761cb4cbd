"""The page of scores: one HTML file that any browser opens."""
