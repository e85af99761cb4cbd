"""closure: trained closures beside those of formulas, over seeds: how right they are, how long, how stable."""
