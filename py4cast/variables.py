"""Variables: what a field is (identity, units, role), apart from its values.

A variable is *prognostic* (predicted and fed back), *diagnostic* (predicted only), *forcing* (given, its
future included) or *static* (fixed). The older words `input_output`, `output` and `input` are read as the
first three.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, NamedTuple, Self, get_args

from py4cast.constraint import Constraint
from py4cast.errors import DataError, SettingsError, nearest
from py4cast.settings import decode, encode
from py4cast.units import conversion, normalise

__all__ = [
    "ALONG_GRID",
    "GRIB_NAMES",
    "KNOWN",
    "Axes",
    "NanPolicy",
    "Parameter",
    "Role",
    "Variable",
    "alike_names",
    "axes_of",
    "cf_name_in",
    "feature_name",
    "role_of",
    "shorter_arc",
    "towards",
]

Role = Literal["prognostic", "diagnostic", "forcing", "static"]
NanPolicy = Literal["forbid", "mask"]
_OLDER_ROLES = {"input_output": "prognostic", "output": "diagnostic", "input": "forcing"}


class Parameter(NamedTuple):
    """What is known of a physical parameter: CF name, units, and the range that Earth allows."""

    standard_name: str
    units: str
    minimum: float
    maximum: float


_TEMPERATURE = Parameter("air_temperature", "K", 150.0, 350.0)
_EASTWARD = Parameter("eastward_wind", "m s-1", -180.0, 180.0)
_NORTHWARD = Parameter("northward_wind", "m s-1", -180.0, 180.0)
_SPEED = Parameter("wind_speed", "m s-1", 0.0, 180.0)
_PRESSURE = Parameter("air_pressure_at_mean_sea_level", "Pa", 85_000.0, 110_000.0)
_RAIN = Parameter("precipitation_amount", "kg m-2", -0.5, 3000.0)

KNOWN: Mapping[str, Parameter] = {
    "t": _TEMPERATURE, "2t": _TEMPERATURE, "t2m": _TEMPERATURE, "air": _TEMPERATURE,
    "2d": Parameter("dew_point_temperature", "K", 150.0, 330.0), "d2m": Parameter("dew_point_temperature", "K", 150.0, 330.0),
    "skt": Parameter("surface_temperature", "K", 150.0, 360.0),
    "sst": Parameter("sea_surface_temperature", "K", 265.0, 315.0),
    "analysed_sst": Parameter("sea_surface_temperature", "K", 265.0, 315.0),
    "u": _EASTWARD, "10u": _EASTWARD, "u10": _EASTWARD, "v": _NORTHWARD, "10v": _NORTHWARD, "v10": _NORTHWARD,
    "ws": _SPEED, "10si": _SPEED, "100si": _SPEED, "10fg": Parameter("wind_speed_of_gust", "m s-1", 0.0, 200.0),
    "msl": _PRESSURE, "prmsl": _PRESSURE,
    "sp": Parameter("surface_air_pressure", "Pa", 40_000.0, 110_000.0), "pres": Parameter("air_pressure", "Pa", 0.0, 110_000.0),
    "q": Parameter("specific_humidity", "kg kg-1", -0.001, 0.06), "r": Parameter("relative_humidity", "%", -5.0, 180.0),
    "2r": Parameter("relative_humidity", "%", -5.0, 180.0),
    "z": Parameter("geopotential", "m2 s-2", -20_000.0, 600_000.0), "gh": Parameter("geopotential_height", "m", -2000.0, 60_000.0),
    "vo": Parameter("atmosphere_relative_vorticity", "s-1", -0.02, 0.02),
    "w": Parameter("lagrangian_tendency_of_air_pressure", "Pa s-1", -150.0, 150.0),
    "tcc": Parameter("cloud_area_fraction", "1", -0.05, 1.05), "lsm": Parameter("land_binary_mask", "1", -0.01, 1.01),
    "tp": _RAIN, "adt": Parameter("sea_surface_height_above_geoid", "m", -5.0, 5.0),
    "ssrd": Parameter("surface_downwelling_shortwave_flux_in_air", "J m-2", -1e4, 1e8),
    "strd": Parameter("surface_downwelling_longwave_flux_in_air", "J m-2", -1e4, 1e8),
}  # fmt: skip


# what the Climate Data Store calls parameters in its files and requests, by their GRIB short name
GRIB_NAMES: Mapping[str, str] = {
    "t2m": "2t", "d2m": "2d", "u10": "10u", "v10": "10v", "u100": "100u", "v100": "100v", "si10": "10si", "fg10": "10fg",
    "siconc": "ci", "2m_temperature": "2t", "2m_dewpoint_temperature": "2d",
    "10m_u_component_of_wind": "10u", "10m_v_component_of_wind": "10v", "100m_u_component_of_wind": "100u",
    "100m_v_component_of_wind": "100v", "10m_wind_speed": "10si", "mean_sea_level_pressure": "msl", "surface_pressure": "sp",
    "sea_surface_temperature": "sst", "skin_temperature": "skt", "total_precipitation": "tp", "total_cloud_cover": "tcc",
    "temperature": "t", "u_component_of_wind": "u", "v_component_of_wind": "v", "geopotential": "z",
    "specific_humidity": "q", "relative_humidity": "r", "vertical_velocity": "w", "land_sea_mask": "lsm",
}  # fmt: skip


Axes = Literal["earth", "grid", ""]
# CF names of vector components towards east and north, and the same along the axes of a grid
ALONG_GRID: Mapping[str, str] = {
    "eastward_wind": "x_wind", "northward_wind": "y_wind",
    "eastward_sea_water_velocity": "sea_water_x_velocity", "northward_sea_water_velocity": "sea_water_y_velocity",
    "surface_geostrophic_eastward_sea_water_velocity": "surface_geostrophic_sea_water_x_velocity",
    "surface_geostrophic_northward_sea_water_velocity": "surface_geostrophic_sea_water_y_velocity",
    "eastward_sea_ice_velocity": "sea_ice_x_velocity", "northward_sea_ice_velocity": "sea_ice_y_velocity",
}  # fmt: skip
# names that files have for them beside CF's
_OLDER_ALONG_GRID = {
    "grid_eastward_wind": "eastward_wind", "grid_northward_wind": "northward_wind",
    "x_sea_water_velocity": "eastward_sea_water_velocity", "y_sea_water_velocity": "northward_sea_water_velocity",
}  # fmt: skip


def towards(standard_name: str) -> str:
    """The CF name of the same component of a vector towards east or north; another name as it is."""
    for earth, along in ALONG_GRID.items():
        if standard_name == along:
            return earth
    return _OLDER_ALONG_GRID.get(standard_name, standard_name)


def axes_of(standard_name: str) -> Axes:
    """Along which axes a vector's component of this CF name runs; empty for what is no component."""
    if standard_name in ALONG_GRID:
        return "earth"
    return "grid" if standard_name in (*ALONG_GRID.values(), *_OLDER_ALONG_GRID) else ""


def role_of(text: str) -> Role:
    """The role that `text` names, the older words included; SettingsError when it is none."""
    role = _OLDER_ROLES.get(text, text)
    if role not in get_args(Role):
        raise SettingsError(f"unknown role {text!r}{nearest(text, [*get_args(Role), *_OLDER_ROLES])}")
    return role  # type: ignore[return-value]


def feature_name(short_name: str, level: float | None, type_of_level: str | None) -> str:
    """The name of one field: `t_850_isobaricInhPa`; without a level the short name alone."""
    parts = [short_name]
    if level is not None:
        parts.append(f"{level:g}")
    if type_of_level:
        parts.append(type_of_level)
    return "_".join(parts)


def alike_names(name: str, held: Iterable[str]) -> list[str]:
    """Which names mean the same variable: the name itself, else those that GRIB has one name for, `2t` for `t2m`."""
    held = list(held)
    return [name] if name in held else [n for n in held if GRIB_NAMES.get(n, n) == GRIB_NAMES.get(name, name)]


def cf_name_in(text: object) -> str:
    """The CF name that an attribute holds; empty where it says that there is none."""
    name = str(text or "").strip()
    return "" if name.lower() in ("unknown", "~", "none", "-") else name


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """One field that a dataset holds and a model sees.

    Args:
        name: its name as a feature, unique in the dataset.
        short_name: name in the files (GRIB `shortName` or the NetCDF variable).
        role: prognostic, diagnostic, forcing or static.
        units: UDUNITS text of the values in memory.
        level: height or pressure, in the units of `type_of_level`.
        type_of_level: GRIB `typeOfLevel`, such as `isobaricInhPa`.
        standard_name: CF name.
        grib: further GRIB keys that single it out, and that are written.
        weight: factor in the loss; by default 1 + p/1000 on a pressure level p [hPa], else 2.
        accumulated: whether the files hold a sum since the start of the forecast.
        nan: what to do with missing values, `forbid` or `mask`.
        file_name: name in the files, where it is no GRIB `shortName` and no CF name.
        constraint: what is asked of it beside what the data say; None for nothing.
    """

    name: str
    short_name: str = ""
    role: Role = "prognostic"
    units: str = ""
    level: float | None = None
    type_of_level: str | None = None
    standard_name: str = ""
    grib: Mapping[str, Any] = field(default_factory=dict)
    weight: float | None = None
    accumulated: bool = False
    nan: NanPolicy = "forbid"
    file_name: str = ""
    constraint: Constraint | None = None

    def __post_init__(self) -> None:
        # what ecCodes and cfgrib write where they know no CF name is none
        object.__setattr__(self, "standard_name", cf_name_in(self.standard_name))

    @property
    def sought(self) -> str:
        """Its name in the files."""
        return self.file_name or self.short_name or self.name

    @property
    def axes(self) -> Axes:
        """Along which axes it runs where it is a component of a vector: `earth`, `grid`; else empty."""
        return axes_of(self.cf_name)

    @property
    def grib_name(self) -> str:
        """Its GRIB short name, also where the files call it as the Climate Data Store does."""
        name = self.short_name or self.name
        return GRIB_NAMES.get(name, name)

    @property
    def is_predicted(self) -> bool:
        """Whether the network predicts it."""
        return self.role in ("prognostic", "diagnostic")

    @property
    def loss_weight(self) -> float:
        """`weight`, or its default by level."""
        if self.weight is not None:
            return self.weight
        if self.type_of_level == "isobaricInhPa" and self.level is not None:
            return 1.0 + self.level / 1000.0
        return 2.0

    @property
    def known(self) -> Parameter | None:
        """What is known of the parameter in the files, if anything."""
        name = self.short_name or self.name
        return KNOWN.get(name) or KNOWN.get(GRIB_NAMES.get(name, ""))

    @property
    def cf_name(self) -> str:
        """Its CF name, as the files say or as is known of the parameter; else empty."""
        return self.standard_name or (self.known.standard_name if self.known else "")

    def with_units(self, units: str) -> Self:
        """The same variable in `units`, with the CF name that is known of it."""
        return replace(self, units=normalise(units), standard_name=self.cf_name)

    @property
    def turn(self) -> float | None:
        """A whole turn in its units, where it is a direction, which is learned as an angle or has such a CF name; else None."""
        is_angle = self.constraint is not None and self.constraint.transform == "angle"
        if not (is_angle or self.cf_name.endswith("_direction")):
            return None
        try:
            return 360.0 * conversion("degree", self.units)[0]
        except DataError:
            return None

    def plausible_range(self) -> tuple[float, float] | None:
        """Smallest and largest value that Earth allows, in `units`, when the parameter is known."""
        if self.known is None:
            return None
        try:
            scale, offset = conversion(self.known.units, self.units)
        except DataError:
            return None
        low, high = sorted((scale * self.known.minimum + offset, scale * self.known.maximum + offset))
        return low, high

    def to_dict(self) -> dict[str, Any]:
        """The variable as plain JSON values."""
        document = dict(encode(self))
        # fingerprints of what is stored are made of these, whatever is asked of a variable later
        if self.constraint is None:
            del document["constraint"]
        return document

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> "Variable":
        """The variable of plain JSON values: the inverse of `to_dict`."""
        return decode(cls, dict(document), where="variable")


def shorter_arc(difference: Any, turn: float | None) -> Any:
    """Differences of directions the short way round, from −turn/2 to turn/2, other ones as they are; arrays or tensors.

    Args:
        difference: of two values, in their units.
        turn: a whole one, in the same units; None for what is no direction.
    """
    if turn is None:
        return difference
    return (difference + turn / 2) % turn - turn / 2


def bounds_of(variables: Sequence[Variable]) -> dict[str, Constraint]:
    """The constraints of predicted variables that have bounds, by name."""
    return {v.name: v.constraint for v in variables if v.is_predicted and v.constraint and v.constraint.is_bounded}


def names_of(variables: Sequence[Variable], *roles: Role) -> list[str]:
    """Names of the variables of these roles, role after role, in order."""
    return [v.name for role in roles for v in variables if v.role == role]
