"""One sample over several ranks: what they tell each other, and how a network is cut."""
