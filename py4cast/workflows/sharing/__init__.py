"""Sharing: Forecasters and exported steps as folders that others can take, with checksums and where they come from."""
