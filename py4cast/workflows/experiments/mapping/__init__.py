"""mapping: fields from what satellites saw of them, by networks and by optimal interpolation, in a leaderboard."""
