"""The parameters of Titan: what they are called in its files, where they lie, on which grid.

Analyses of AROME on EURW1S100 (0.01°) and EURW1S40 (0.025°), of ARPEGE on EURAT01 (0.1°), and radar-and-gauge rain
of ANTILOPE, hourly, in GRIB 2. Reference: Titan, Météo-France, https://huggingface.co/datasets/meteofrance/titan.
"""

from typing import NamedTuple

__all__ = ["GRIDS", "LEVELS", "PARAMETERS", "TitanGrid", "TitanParameter"]

LEVELS = (
    1000, 950, 925, 900, 850, 800, 750, 700, 650, 600, 550, 500, 450, 400, 350, 300, 275, 250, 225, 200, 175, 150, 125, 100,
)  # fmt: skip


class TitanGrid(NamedTuple):
    """A grid, regular in latitude and longitude: extent [degrees], spacing [degrees], rows and columns."""

    north: float
    south: float
    west: float
    east: float
    spacing: float
    shape: tuple[int, int]


GRIDS = {
    "PAAROME_1S100": TitanGrid(55.4, 37.5, -12.0, 16.0, 0.01, (1791, 2801)),
    "PAAROME_1S40": TitanGrid(55.4, 37.5, -12.0, 16.0, 0.025, (717, 1121)),
    "PA_01D": TitanGrid(72.0, 20.0, -32.0, 42.0, 0.1, (521, 741)),
    "ANTJP7CLIM_1S100": TitanGrid(51.5, 41.0, -6.0, 10.5, 0.01, (1051, 1651)),
}


class TitanParameter(NamedTuple):
    """One parameter of the archive: where it lies and what it is.

    Args:
        short_name: GRIB `shortName` (or the CF variable name that ecCodes gives it).
        units: in the files and in memory.
        standard_name: CF.
        type_of_level: GRIB.
        level: its only level; None for pressure levels, which the settings choose.
        file: pattern of the file in the folder of an hour.
        grid: native one.
        is_sum: whether it is a sum over the last hour.
    """

    short_name: str
    units: str
    standard_name: str
    type_of_level: str
    level: int | None
    file: str
    grid: str
    is_sum: bool = False


def _arome(short: str, units: str, cf: str, where: tuple[str, int], group: str, is_sum: bool = False) -> TitanParameter:
    return TitanParameter(short, units, cf, *where, f"PAAROME_1S100_ECH*_{group}.grib", "PAAROME_1S100", is_sum)


def _coarse(
    short: str, units: str, cf: str, where: tuple[str, int], group: str, is_sum: bool = False
) -> TitanParameter:
    return TitanParameter(short, units, cf, *where, f"PAAROME_1S40_ECH*_{group}.grib", "PAAROME_1S40", is_sum)


def _arpege(short: str, units: str, cf: str, where: tuple[str, int | None], group: str) -> TitanParameter:
    return TitanParameter(short, units, cf, *where, f"PA_01D_*{group}.grib", "PA_01D")


def _isobaric(short: str, units: str, cf: str) -> TitanParameter:
    file = "PAAROME_1S40_ECH*_ISOBARE.grib"
    return TitanParameter(short, units, cf, "isobaricInhPa", None, file, "PAAROME_1S40")


_2M, _10M, _GROUND, _SEA = ("heightAboveGround", 2), ("heightAboveGround", 10), ("surface", 0), ("meanSea", 0)
_LEVELS = ("isobaricInhPa", None)
PARAMETERS = {
    "ant_prec": TitanParameter(
        "prec", "kg m-2", "precipitation_amount", "surface", 0, "ANTJP7CLIM_1S100_60_SOL.grib", "ANTJP7CLIM_1S100", True
    ),
    "aro_t2m": _arome("2t", "K", "air_temperature", _2M, "2M"),
    "aro_r2": _arome("2r", "%", "relative_humidity", _2M, "2M"),
    "aro_u10": _arome("10u", "m s-1", "eastward_wind", _10M, "10M"),
    "aro_v10": _arome("10v", "m s-1", "northward_wind", _10M, "10M"),
    "aro_ugust": _arome("ugust", "m s-1", "eastward_wind_of_gust", _10M, "10M"),
    "aro_vgust": _arome("vgust", "m s-1", "northward_wind_of_gust", _10M, "10M"),
    "aro_sd": _arome("sd", "kg m-2", "surface_snow_amount", _GROUND, "SOL"),
    "aro_tp": _arome("tp", "kg m-2", "precipitation_amount", _GROUND, "SOL", True),
    "aro_tirf": _arome("tirf", "kg m-2", "rainfall_amount", _GROUND, "SOL", True),
    "aro_sprate": _arome("sprate", "kg m-2 s-1", "snowfall_flux", _GROUND, "SOL"),
    "aro_prmsl": _coarse("prmsl", "Pa", "air_pressure_at_mean_sea_level", _SEA, "MER"),
    "aro_tciwv": _coarse("tciwv", "kg m-2", "atmosphere_mass_content_of_water_vapor", _GROUND, "SOL"),
    "aro_str": _coarse("str", "J m-2", "surface_net_downward_longwave_flux", _GROUND, "SOL", True),
    "aro_ssr": _coarse("ssr", "J m-2", "surface_net_downward_shortwave_flux", _GROUND, "SOL", True),
    "aro_z": _isobaric("z", "m2 s-2", "geopotential"),
    "aro_t": _isobaric("t", "K", "air_temperature"),
    "aro_u": _isobaric("u", "m s-1", "eastward_wind"),
    "aro_v": _isobaric("v", "m s-1", "northward_wind"),
    "aro_wz": _isobaric("wz", "m s-1", "upward_air_velocity"),
    "aro_r": _isobaric("r", "%", "relative_humidity"),
    "aro_ciwc": _isobaric("ciwc", "kg kg-1", "mass_fraction_of_cloud_ice_in_air"),
    "aro_clwc": _isobaric("clwc", "kg kg-1", "mass_fraction_of_cloud_liquid_water_in_air"),
    "aro_crwc": _isobaric("crwc", "kg kg-1", "mass_fraction_of_rain_in_air"),
    "aro_cswc": _isobaric("cswc", "kg kg-1", "mass_fraction_of_snow_in_air"),
    "arp_t2m": _arpege("2t", "K", "air_temperature", _2M, "2M"),
    "arp_r2": _arpege("2r", "%", "relative_humidity", _2M, "2M"),
    "arp_u10": _arpege("10u", "m s-1", "eastward_wind", _10M, "10M"),
    "arp_v10": _arpege("10v", "m s-1", "northward_wind", _10M, "10M"),
    "arp_prmsl": _arpege("prmsl", "Pa", "air_pressure_at_mean_sea_level", _SEA, "MER"),
    "arp_z": _arpege("z", "m2 s-2", "geopotential", _LEVELS, "ISOBARE"),
    "arp_t": _arpege("t", "K", "air_temperature", _LEVELS, "ISOBARE"),
    "arp_u": _arpege("u", "m s-1", "eastward_wind", _LEVELS, "ISOBARE"),
    "arp_v": _arpege("v", "m s-1", "northward_wind", _LEVELS, "ISOBARE"),
    "arp_r": _arpege("r", "%", "relative_humidity", _LEVELS, "ISOBARE"),
}
