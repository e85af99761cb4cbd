"""The door of Python: what a notebook calls, with xarray in and out."""
