"""view: a page on which forecasts are looked at, and a server of such pages for a folder."""
