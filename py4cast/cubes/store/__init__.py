"""The prepared store: an open Zarr v3 that is also raw memory; built, packed, grown and read here."""
