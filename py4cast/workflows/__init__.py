"""Workflows: one function per verb, the same name as in `bin/` and in `py4cast VERB`."""
