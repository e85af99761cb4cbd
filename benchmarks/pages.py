"""The page of `py4cast view`: its size against the raw fields, and how fast Chromium shows it.

    python benchmarks/pages.py

48 lead times of 5 variables on 256 × 256 cells, and 40 000 points; needs Chromium with its driver (Debian: chromium chromium-driver).
"""

import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import xarray as xr

from py4cast.workflows.view.run import view
from tests.browser import chromium

LEADS, SIZE, POINTS = 48, 256, 40_000
NAMES = {"t2m": ("air_temperature", "K", 280.0, 12.0), "msl": ("air_pressure_at_mean_sea_level", "Pa", 101325.0, 1500.0),
         "u10": ("eastward_wind", "m s-1", 3.0, 8.0), "v10": ("northward_wind", "m s-1", 0.0, 8.0),
         "r2": ("relative_humidity", "%", 70.0, 15.0)}  # fmt: skip


def smooth(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Noise with the spectrum of weather, power ~ k⁻³ of the wavenumber, drifting slowly."""
    k = np.hypot(*np.meshgrid(np.fft.rfftfreq(shape[1]), np.fft.fftfreq(shape[0])))
    k[0, 0] = 1.0
    amplitude = k**-2.0 * (k > 0)
    phases = [rng.normal(size=k.shape) + 1j * rng.normal(size=k.shape) for _ in range(2)]
    fields = []
    for t in range(LEADS):
        w = t / LEADS
        field = np.fft.irfft2(amplitude * (np.cos(w) * phases[0] + np.sin(w) * phases[1]), s=shape)
        fields.append((field / field.std()).astype(np.float32))
    return np.stack(fields)


def write(folder: Path, is_points: bool) -> Path:
    rng = np.random.default_rng(0)
    start = np.datetime64("2020-01-01", "ns")
    leads = (np.arange(LEADS) + 1) * np.timedelta64(3600, "s")
    data = {}
    coords: dict = {"init_time": [start], "lead_time": leads.astype("timedelta64[ns]")}
    if is_points:
        lat, lon = np.degrees(np.arcsin(rng.uniform(-1, 1, POINTS))), rng.uniform(-180, 180, POINTS)
        coords |= {"lat": ("cell", lat, {"units": "degrees_north"}), "lon": ("cell", lon, {"units": "degrees_east"})}
        rows, columns = ((lat + 90) / 180 * 255).astype(int), ((lon + 180) / 360 * 255).astype(int)
    else:
        coords |= {"lat": ("lat", np.linspace(60, 40, SIZE), {"units": "degrees_north"})}
        coords |= {"lon": ("lon", np.linspace(-10, 20, SIZE), {"units": "degrees_east"})}
    for name, (standard, units, mean, std) in NAMES.items():
        values = mean + std * smooth(rng, (SIZE, SIZE))
        attrs = {"standard_name": standard, "units": units}
        if is_points:
            data[name] = (("init_time", "lead_time", "cell"), values[None][..., rows, columns], attrs)
        else:
            data[name] = (("init_time", "lead_time", "lat", "lon"), values[None], attrs)
    path = folder / "fc.nc"
    xr.Dataset(data, coords).to_netcdf(path)
    return path


def main() -> None:
    for is_points in (False, True):
        with tempfile.TemporaryDirectory() as name, chromium() as browser:
            source = write(Path(name), is_points)
            begun = time.perf_counter()
            page = view([source], Path(name) / "page.html", most_mb=100)
            made_s = time.perf_counter() - begun
            cells = POINTS if is_points else SIZE * SIZE
            size, raw = page.stat().st_size, 2 * LEADS * len(NAMES) * cells
            opened, steps = [], []
            for _ in range(5):
                browser.get(page.as_uri())
                for _ in range(200):
                    if browser.execute_script("return performance.getEntriesByName('first-map').length"):
                        break
                    time.sleep(0.02)
                opened.append(browser.execute_script("return performance.getEntriesByName('first-map')[0].startTime"))
            for frame in range(1, 20):
                browser.execute_script(
                    "const s = document.getElementById('frame'); s.value = arguments[0]; s.dispatchEvent(new Event('input'))",
                    frame,
                )
                for _ in range(100):
                    if browser.execute_script("return document.getElementById('map').dataset.drawn") == str(frame):
                        break
                    time.sleep(0.01)
                steps.append(float(browser.execute_script("return document.getElementById('map').dataset.ms")))
            kind = f"{POINTS} points" if is_points else f"{SIZE} x {SIZE} cells"
            print(
                f"{LEADS} times, {len(NAMES)} variables, {kind}: {size / 1e6:.1f} MB, {size / raw:.2f} of half floats (limit 0.4, 12 MB), made in "
                f"{made_s:.1f} s; first map after {statistics.median(opened):.0f} ms (limit 1000), a step {statistics.median(steps):.0f} ms (limit 50)"
            )


if __name__ == "__main__":
    main()
