"""Map projections of weather services: Lambert conic, polar stereographic (sphere or ellipsoid) and the rotated pole.

With φ the latitude, e the eccentricity and t(φ) = tan(π/4 − φ/2)·((1 + e·sin φ)/(1 − e·sin φ))^(e/2):

    Lambert:        ρ = a·F·tⁿ,  θ = n·(λ − λ₀),  x = ρ·sin θ,  y = ρ₀ − ρ·cos θ
    stereographic:  ρ = a·k·t,   x = ρ·sin(λ − λ₀),  y = −ρ·cos(λ − λ₀)   (north pole; the south by symmetry)
    rotated pole:   sin y = sin φ·sin φₚ + cos φ·cos φₚ·cos(λ − λₚ),  tan x = cos φ·sin(λ − λₚ)/(sin φ·cos φₚ − cos φ·sin φₚ·cos(λ − λₚ))
                    with φₚ, λₚ the pole's place; x and y in degrees

Written here, on numpy alone, because the PROJ library that comes with pyproj cannot live in one process with
the one that comes with ecCodes.

Reference: J. P. Snyder (1987), Map Projections: A Working Manual, USGS Professional Paper 1395, doi 10.3133/pp1395.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from py4cast.errors import DataError

__all__ = ["forward", "inverse"]

Array = NDArray[np.float64]
_ROTATED = "rotated_latitude_longitude"


def _t(phi: Array, e: float) -> Array:
    s = e * np.sin(phi)
    return np.asarray(np.tan(np.pi / 4 - phi / 2) * ((1 + s) / (1 - s)) ** (e / 2))


def _m(phi: float, e: float) -> float:
    return float(np.cos(phi) / np.sqrt(1 - (e * np.sin(phi)) ** 2))


def _phi(t: Array, e: float) -> Array:
    """The inverse of `_t` by fixed-point iteration; exact at once on the sphere."""
    phi = np.pi / 2 - 2 * np.arctan(t)
    for _ in range(0 if e == 0 else 8):
        s = e * np.sin(phi)
        phi = np.pi / 2 - 2 * np.arctan(t * ((1 - s) / (1 + s)) ** (e / 2))
    return np.asarray(phi)


def _ellipsoid(projection: Mapping[str, Any]) -> tuple[float, float]:
    a = float(projection.get("semi_major_axis") or projection.get("earth_radius") or 6_371_229.0)
    if projection.get("inverse_flattening"):
        f = 1 / float(projection["inverse_flattening"])
    elif projection.get("semi_minor_axis"):
        f = 1 - float(projection["semi_minor_axis"]) / a
    else:
        f = 0.0
    return a, float(np.sqrt(max(0.0, 2 * f - f * f)))


def _lambert(projection: Mapping[str, Any]) -> tuple[float, float, float, float, float]:
    """a·F, n, ρ₀, λ₀, e."""
    a, e = _ellipsoid(projection)
    parallels = np.deg2rad(np.atleast_1d(np.asarray(projection["standard_parallel"], dtype=np.float64)))
    first, last = float(parallels[0]), float(parallels[-1])
    if abs(first - last) < 1e-10:
        n = float(np.sin(first))
    else:
        ratio = np.log(_t(parallels[:1], e) / _t(parallels[-1:], e))[0]
        n = float((np.log(_m(first, e)) - np.log(_m(last, e))) / ratio)
    scale = a * _m(first, e) / (n * float(_t(np.array([first]), e)[0]) ** n)
    origin = np.deg2rad(np.array([float(projection["latitude_of_projection_origin"])]))
    lon0 = np.deg2rad(float(projection["longitude_of_central_meridian"]))
    return scale, n, scale * float(_t(origin, e)[0]) ** n, float(lon0), e


def _stereographic(projection: Mapping[str, Any]) -> tuple[float, float, float, float]:
    """a·k, λ₀, e, and +1 for the north pole, −1 for the south."""
    a, e = _ellipsoid(projection)
    sign = 1.0 if float(projection["latitude_of_projection_origin"]) > 0 else -1.0
    lon0 = projection.get(
        "straight_vertical_longitude_from_pole", projection.get("longitude_of_projection_origin", 0.0)
    )
    parallel = projection.get("standard_parallel")
    if parallel is not None and abs(abs(float(np.ravel(parallel)[0])) - 90) > 1e-9:
        phi = np.deg2rad(abs(float(np.ravel(parallel)[0])))
        k = _m(float(phi), e) / float(_t(np.array([phi]), e)[0])
    else:
        k0 = float(projection.get("scale_factor_at_projection_origin", 1.0))
        k = 2 * k0 / float(np.sqrt((1 + e) ** (1 + e) * (1 - e) ** (1 - e)))
    return a * k, float(np.deg2rad(float(lon0))), e, sign


def _false(projection: Mapping[str, Any]) -> tuple[float, float]:
    return float(projection.get("false_easting", 0.0)), float(projection.get("false_northing", 0.0))


def _pole(projection: Mapping[str, Any]) -> tuple[float, float, float]:
    """Latitude and longitude of the rotated pole [radians], and the turn of the grid about it [degrees]."""
    latitude = float(projection["grid_north_pole_latitude"])
    longitude = float(projection["grid_north_pole_longitude"])
    turn = float(projection.get("north_pole_grid_longitude", 0.0))
    return float(np.deg2rad(latitude)), float(np.deg2rad(longitude)), turn


def forward(projection: Mapping[str, Any], latitude: Any, longitude: Any) -> tuple[Array, Array]:
    """x, y [m] of latitude, longitude [degrees] under CF grid-mapping attributes; [degrees] for a rotated pole.

    Raises:
        DataError: a projection that is none of `lambert_conformal_conic`, `polar_stereographic`, `rotated_latitude_longitude`.
    """
    phi, lam = (
        np.deg2rad(np.asarray(latitude, dtype=np.float64)),
        np.deg2rad(np.asarray(longitude, dtype=np.float64)),
    )
    east, north = _false(projection)
    name = projection.get("grid_mapping_name")
    if name == "lambert_conformal_conic":
        scale, n, rho0, lon0, e = _lambert(projection)
        rho = scale * _t(phi, e) ** n
        theta = n * ((lam - lon0 + np.pi) % (2 * np.pi) - np.pi)
        return rho * np.sin(theta) + east, rho0 - rho * np.cos(theta) + north
    if name == "polar_stereographic":
        scale, lon0, e, sign = _stereographic(projection)
        rho = scale * _t(sign * phi, e)
        return rho * np.sin(lam - lon0) + east, -sign * rho * np.cos(lam - lon0) + north
    if name == _ROTATED:
        pole, meridian, turn = _pole(projection)
        north_pole = np.sin(phi) * np.sin(pole) + np.cos(phi) * np.cos(pole) * np.cos(lam - meridian)
        front = np.sin(phi) * np.cos(pole) - np.cos(phi) * np.sin(pole) * np.cos(lam - meridian)
        turned = np.rad2deg(np.arctan2(-np.cos(phi) * np.sin(lam - meridian), front)) + turn
        return (turned + 180.0) % 360.0 - 180.0, np.rad2deg(np.arcsin(np.clip(north_pole, -1, 1)))
    raise DataError(
        f"projection {name!r}: only lambert_conformal_conic, polar_stereographic and rotated_latitude_longitude are known without latitude and longitude"
    )


def inverse(projection: Mapping[str, Any], x: Any, y: Any) -> tuple[Array, Array]:
    """Latitude, longitude [degrees] of x, y [m]; the inverse of `forward`, with the same errors."""
    east, north = _false(projection)
    x, y = np.asarray(x, dtype=np.float64) - east, np.asarray(y, dtype=np.float64) - north
    name = projection.get("grid_mapping_name")
    if name == "lambert_conformal_conic":
        scale, n, rho0, lon0, e = _lambert(projection)
        sign = np.sign(n)
        rho = sign * np.hypot(x, rho0 - y)
        lam = lon0 + np.arctan2(sign * x, sign * (rho0 - y)) / n
        phi = _phi((rho / scale) ** (1 / n), e)
    elif name == "polar_stereographic":
        scale, lon0, e, sign = _stereographic(projection)
        phi = sign * _phi(np.hypot(x, y) / scale, e)
        lam = lon0 + np.arctan2(x, -sign * y)
    elif name == _ROTATED:
        # turned to the rotated pole, the true one stands where the rotated one stood: the same turn leads back
        pole, meridian, turn = _pole(projection)
        back = {
            "grid_mapping_name": _ROTATED,
            "grid_north_pole_latitude": np.rad2deg(pole),
            "grid_north_pole_longitude": 0.0,
        }
        lam_turned, phi_turned = forward(back, y, x - turn)
        lam, phi = np.deg2rad(lam_turned) + meridian, np.deg2rad(phi_turned)
    else:
        return forward(projection, x, y)
    return np.rad2deg(phi), (np.rad2deg(lam) + 180.0) % 360.0 - 180.0
