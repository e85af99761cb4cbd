"""Generative strategies: members drawn from the law of the next state, by removing noise step by step."""
