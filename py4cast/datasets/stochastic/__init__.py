"""stochastic: random systems whose next state's law is known, on which ensembles are proven."""
