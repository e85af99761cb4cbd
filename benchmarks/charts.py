"""A chart with isobars and barbs against the same chart by cartopy, turn by turn: CPU seconds, medians of paired ratios.

    make peers; python benchmarks/charts.py [--rounds 9]

256 x 256 cells of temperature in colours, pressure as lines with their numbers, wind as barbs, the coast at 1:50 million (the
same lines for both: cartopy's own would be fetched), a graticule with its labels and a colour bar, as a PNG of one size; on
latitude and longitude, and on a Lambert map whose wind is along the map's axes. Ours names towns and marks lows and highs as well.
"""

import argparse
import io
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
PEER = Path(__file__).resolve().parent.parent / ".peers" / "cartopy"

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from py4cast.grid import Grid
from py4cast.observers.chart import Isolines, Wind, line_levels, smoothed
from py4cast.observers.coast import world_lines
from py4cast.observers.sheet import Row, draw_sheet
from py4cast.projection import inverse
from py4cast.variables import Variable

SIZE, EVERY = 256, 12
T2M = Variable(name="t2m", short_name="2t", units="K", standard_name="air_temperature")
MSL = Variable(name="msl", short_name="msl", units="Pa", standard_name="air_pressure_at_mean_sea_level")
LAMBERT = {
    "grid_mapping_name": "lambert_conformal_conic", "standard_parallel": [46.5, 46.5], "earth_radius": 6_371_229.0,
    "longitude_of_central_meridian": 2.0, "latitude_of_projection_origin": 46.5,
}  # fmt: skip


def grids() -> dict[str, Grid]:
    x = y = np.linspace(-800e3, 800e3, SIZE)
    lat, lon = inverse(LAMBERT, *np.meshgrid(x, y))
    return {
        "latitude and longitude": Grid(np.linspace(60, 40, SIZE), np.linspace(-12, 20, SIZE)),
        "Lambert": Grid(np.asarray(lat), np.asarray(lon), x, y, LAMBERT),
    }


def fields(rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    k = np.hypot(*np.meshgrid(np.fft.rfftfreq(SIZE), np.fft.fftfreq(SIZE)))
    k[0, 0] = 1.0
    out = []
    for mean, size in ((283.0, 8.0), (101_300.0, 1500.0), (3.0, 8.0), (0.0, 8.0)):
        noise = np.fft.irfft2(
            k**-2.5 * (k < 1) * (rng.normal(size=k.shape) + 1j * rng.normal(size=k.shape)), s=(SIZE, SIZE)
        )
        out.append((mean + size * noise / noise.std()).astype(np.float32))
    return tuple(out)


def png(figure: Any) -> bytes:
    stream = io.BytesIO()
    FigureCanvasAgg(figure)
    figure.savefig(stream, format="png", dpi=150)
    return stream.getvalue()


def ours(grid: Grid, t: Any, p: Any, u: Any, v: Any) -> bytes:
    wind = Variable(name="u10", units="m s-1", standard_name="x_wind" if grid.is_projected else "eastward_wind")
    return png(draw_sheet(grid, [Row(T2M, [t])], ["now"], [Isolines(MSL, p)], [Wind(wind, u, v)]))


def theirs(grid: Grid, lines: Any, t: Any, p: Any, u: Any, v: Any) -> bytes:
    import cartopy.crs as ccrs

    plain, sphere = ccrs.PlateCarree(), ccrs.Globe(ellipse=None, semimajor_axis=6_371_229.0, semiminor_axis=6_371_229.0)
    crs = plain
    if grid.is_projected:
        crs = ccrs.LambertConformal(2.0, 46.5, standard_parallels=(46.5, 46.5), globe=sphere)
    figure = Figure(figsize=(5.1, 3.9), layout="constrained")
    axes: Any = figure.add_subplot(projection=crs)
    x, y = (grid.x, grid.y) if grid.is_projected else (grid.longitude, grid.latitude)
    assert x is not None and y is not None
    axes.set_extent([x.min(), x.max(), y.min(), y.max()], crs=crs)
    mesh = axes.pcolormesh(x, y, t - 273.15, cmap="RdYlBu_r", transform=crs)
    axes.add_geometries(lines, plain, facecolor="none", edgecolor="black", linewidth=0.5)
    pressure = smoothed(p / 100.0, grid)
    drawn = axes.contour(x, y, pressure, levels=line_levels(pressure), colors="black", linewidths=0.6, transform=crs)
    axes.clabel(drawn, fontsize=5)
    part = slice(EVERY // 2, None, EVERY)
    axes.barbs(x[part], y[part], 1.94 * u[part, part], 1.94 * v[part, part], length=4, linewidth=0.4, transform=crs)
    axes.gridlines(draw_labels=["left", "bottom"], linewidth=0.3, linestyle=":", color="grey")
    axes.set_title("now", fontsize=8)
    figure.colorbar(mesh, ax=axes, shrink=0.85)
    return png(figure)


def seconds(draw: Callable[[], bytes]) -> float:
    began = time.process_time()
    draw()
    return time.process_time() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9, help="pairs of charts (default: 9)")
    parser.add_argument("--output", type=Path, help="folder for one of each, to look at")
    a = parser.parse_args()
    warnings.filterwarnings("ignore")
    if not PEER.exists():
        parser.error(f"{PEER} is absent: make peers")
    sys.path.append(str(PEER))
    from shapely.geometry import LineString

    lines = [LineString(line) for line in world_lines() if len(line) > 1]
    planes = fields(np.random.default_rng(0))
    for name, grid in grids().items():
        pair = (lambda g=grid: ours(g, *planes), lambda g=grid: theirs(g, lines, *planes))
        for kind, draw in zip(("ours", "cartopy"), pair, strict=True):
            picture = draw()
            if a.output is not None:
                a.output.mkdir(parents=True, exist_ok=True)
                (a.output / f"{name.split()[0].lower()}_{kind}.png").write_bytes(picture)
        times = [(seconds(pair[0]), seconds(pair[1])) for _ in range(a.rounds)]
        ratios = sorted(m / t for m, t in times)
        medians = [1e3 * statistics.median(t[i] for t in times) for i in (0, 1)]
        print(f"{name:24s} ours {medians[0]:7.0f} ms  cartopy {medians[1]:7.0f} ms  ratio {statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})")  # fmt: skip


if __name__ == "__main__":
    main()
