"""ensembles: strategies that make members, on systems whose law is known."""
