"""Planes: from the files of a service to checked fields `(lat, lon)` of one variable at one instant, in its units."""
