"""Which latitudes and longitudes of a file are a variable's, and in which units; members that are no numbers."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from py4cast.errors import DataError
from py4cast.formats.netcdf import NetcdfReader

TIME = np.datetime64("2020-01-01T00", "ns") + np.arange(2) * np.timedelta64(6, "h")
EAST, NORTH = np.meshgrid(np.linspace(0, 6, 7), np.linspace(50, 45, 5))


def two_grids(tmp_path: Path, named: str | None, **units: Any) -> Path:
    """A field on T points and one on U points half a cell away, on the same dimensions."""
    attrs = {"units": "degrees_north"}, {"units": "degrees_east"}
    coords: dict[str, Any] = {"time": TIME}
    for name, shift in (("ULAT", 0.5), ("TLAT", 0.0)):
        coords[name] = (("nj", "ni"), NORTH + shift, attrs[0])
        coords[name.replace("LAT", "LONG")] = (("nj", "ni"), EAST + shift, attrs[1])
    data = xr.Dataset({"sst": (("time", "nj", "ni"), np.zeros((2, 5, 7)), {"units": "K"})}, coords)
    data["sst"].encoding["coordinates"] = named or "TLAT TLONG ULAT ULONG"
    path = tmp_path / "pop.nc"
    data.to_netcdf(path)
    return path


@pytest.mark.parametrize(("named", "shift"), [("TLAT TLONG", 0.0), ("ULONG ULAT", 0.5)])
def test_a_variable_lies_where_its_attribute_says(tmp_path: Path, named: str, shift: float) -> None:
    with NetcdfReader(two_grids(tmp_path, named)) as reader:
        grid = reader.grid(reader.records()[0])
        np.testing.assert_allclose(grid.latitude, NORTH + shift)
        np.testing.assert_allclose(grid.longitude, EAST + shift)


def test_two_places_of_which_none_is_named_are_refused(tmp_path: Path) -> None:
    with NetcdfReader(two_grids(tmp_path, None)) as reader, pytest.raises(DataError, match="sst may lie at .*LAT and .*LAT; expected its attribute 'coordinates'"):  # fmt: skip
        reader.records()


@pytest.mark.parametrize("is_2d", [False, True])
def test_radians_become_degrees(tmp_path: Path, is_2d: bool) -> None:
    lat, lon = np.deg2rad(NORTH), np.deg2rad(EAST)
    rad = {"units": "radians", "standard_name": "latitude"}, {"units": "radian", "standard_name": "longitude"}
    if is_2d:
        coords: dict[str, Any] = {"lat2": (("y", "x"), lat, rad[0]), "lon2": (("y", "x"), lon, rad[1])}
        dims = ("time", "y", "x")
    else:
        coords = {"lat": ("lat", lat[:, 0], rad[0]), "lon": ("lon", lon[0], rad[1])}
        dims = ("time", "lat", "lon")
    xr.Dataset({"t": (dims, np.zeros((2, 5, 7)), {"units": "K"})}, {"time": TIME, **coords}).to_netcdf(
        tmp_path / "r.nc"
    )
    with NetcdfReader(tmp_path / "r.nc") as reader:
        grid = reader.grid(reader.records()[0])
        np.testing.assert_allclose(grid.latitude_2d(), NORTH)
        np.testing.assert_allclose(grid.longitude_2d(), EAST)


def test_members_by_text(tmp_path: Path) -> None:
    coords = {"time": TIME, "member": ["r1i1p1f1", "r2i1p1f1"], "lat": NORTH[:, 0], "lon": EAST[0]}
    data = xr.Dataset({"t": (("time", "member", "lat", "lon"), np.zeros((2, 2, 5, 7)), {"units": "K"})}, coords)
    data["lat"].attrs["units"], data["lon"].attrs["units"] = "degrees_north", "degrees_east"
    data.to_netcdf(tmp_path / "two.nc")
    with NetcdfReader(tmp_path / "two.nc") as reader, pytest.raises(DataError, match="member 'r1i1p1f1' along 'member' is no number; expected whole numbers, or one"):  # fmt: skip
        reader.records()
    data.isel(member=[0]).to_netcdf(tmp_path / "one.nc")
    with NetcdfReader(tmp_path / "one.nc") as reader:
        assert {record.member for record in reader.records()} == {None}


@pytest.mark.parametrize("mark", [0.0, -1.0])
def test_marks_of_land_are_no_places(tmp_path: Path, mark: float) -> None:
    lat, lon = NORTH.copy(), EAST.copy()
    lat[1:3, 2:5] = lon[1:3, 2:5] = mark
    coords = {"time": TIME, "nav_lat": (("y", "x"), lat, {"units": "degrees_north", "standard_name": "latitude"}), "nav_lon": (("y", "x"), lon, {"units": "degrees_east", "standard_name": "longitude"})}  # fmt: skip
    xr.Dataset({"sst": (("time", "y", "x"), np.zeros((2, 5, 7)), {"units": "K"})}, coords).to_netcdf(tmp_path / "o.nc")
    with NetcdfReader(tmp_path / "o.nc") as reader, pytest.raises(DataError, match=f"o.nc: 6 of 35 cells of sst stand at {mark:g} N {mark:g} E, which marks cells without a place"):  # fmt: skip
        reader.grid(reader.records()[0])


def test_halos_and_folds_have_places_several_times(tmp_path: Path) -> None:
    lat, lon = np.tile(NORTH[:, :5], 1), EAST[:, :5]
    lat, lon = (np.concatenate([a, a[:, :2]], axis=1) for a in (lat, lon))
    coords = {"time": TIME, "nav_lat": (("y", "x"), lat, {"units": "degrees_north", "standard_name": "latitude"}), "nav_lon": (("y", "x"), lon, {"units": "degrees_east", "standard_name": "longitude"})}  # fmt: skip
    xr.Dataset({"sst": (("time", "y", "x"), np.zeros((2, 5, 7)), {"units": "K"})}, coords).to_netcdf(tmp_path / "h.nc")
    with NetcdfReader(tmp_path / "h.nc") as reader:
        assert reader.grid(reader.records()[0]).shape == (5, 7)


def of_icon(tmp_path: Path, scale: float = 1.0, **attrs: str) -> Path:
    """Fields of triangles as ICON writes them, with the corners of the cells."""
    lat, lon = np.deg2rad(NORTH.ravel()) * scale, np.deg2rad(EAST.ravel()) * scale
    corners = np.stack([lat, lat + 0.01, lat - 0.01], 1)
    data = xr.Dataset(
        {
            "t": (("time", "ncells"), np.zeros((2, 35), np.float32), {"units": "K", "coordinates": "clat clon"}),
            "clat_bnds": (("ncells", "nv"), corners),
            "clon_bnds": (("ncells", "nv"), corners),
            "time_bnds": (("time", "two"), np.zeros((2, 2))),
        },
        {"clat": ("ncells", lat, {"bounds": "clat_bnds", **attrs}), "clon": ("ncells", lon, {"bounds": "clon_bnds", **attrs}),
         "time": ("time", TIME, {"bounds": "time_bnds"})},
    )  # fmt: skip
    data["time"].encoding["units"] = "hours since 2020-01-01"
    data.to_netcdf(tmp_path / "icon.nc")
    return tmp_path / "icon.nc"


@pytest.mark.parametrize("attrs", [{}, {"units": "rad"}, {"units": "radian"}])
def test_cells_of_icon_are_in_radians_said_or_unsaid(
    tmp_path: Path, attrs: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    with NetcdfReader(of_icon(tmp_path, **attrs)) as reader:
        records = reader.records()
        grid = reader.grid(records[0])
    assert {r.short_name for r in records} == {"t"}, "corners of cells are no fields"
    np.testing.assert_allclose(grid.latitude, NORTH.reshape(1, -1))
    np.testing.assert_allclose(grid.longitude, EAST.reshape(1, -1))
    assert ("clat and clon have no units: read as radians" in caplog.text) == (not attrs)


def test_cells_of_icon_without_units_that_are_no_radians_are_degrees(tmp_path: Path) -> None:
    with NetcdfReader(of_icon(tmp_path, 180 / np.pi)) as reader:
        np.testing.assert_allclose(reader.grid(reader.records()[0]).latitude, NORTH.reshape(1, -1))


def test_cells_of_mpas_without_its_tables(tmp_path: Path) -> None:
    lat, lon = np.deg2rad(NORTH.ravel()), np.deg2rad(EAST.ravel())
    field = np.zeros((2, 35), np.float32)
    xr.Dataset(
        {
            "t2m": (("Time", "nCells"), field, {"units": "K"}),
            "latCell": ("nCells", lat, {"units": "rad"}), "lonCell": ("nCells", lon, {"units": "rad"}),
            "latVertex": ("nVertices", lat[:9], {"units": "rad"}), "lonVertex": ("nVertices", lon[:9], {"units": "rad"}),
            "vorticity": (("Time", "nVertices"), field[:, :9], {"units": "s-1"}),
            "verticesOnCell": (("nCells", "maxEdges"), np.ones((35, 6), np.int32)),
            "indexToCellID": ("nCells", np.arange(35)), "nEdgesOnCell": ("nCells", np.full(35, 6)),
        },
        {"Time": TIME},
    ).to_netcdf(tmp_path / "mpas.nc")  # fmt: skip
    with NetcdfReader(tmp_path / "mpas.nc") as reader:
        by_name = {r.short_name: reader.grid(r) for r in reader.records()}
    assert set(by_name) == {"t2m", "vorticity"}
    np.testing.assert_allclose(by_name["t2m"].longitude, EAST.reshape(1, -1))
    assert by_name["vorticity"].shape == (1, 9)


def of_a_mesh(tmp_path: Path, start: int = 0, table: Any = None, is_transposed: bool = False, **mesh: str) -> Path:
    """Fields of nodes, faces and edges under UGRID: squares of a regular mesh, and one triangle."""
    corner = np.arange(35).reshape(5, 7)
    quads = np.stack([corner[:-1, :-1], corner[:-1, 1:], corner[1:, 1:], corner[1:, :-1]], -1).reshape(-1, 4) + start
    quads = np.vstack([quads, [start, start + 1, start + 7, -1]])
    faces = quads if table is None else np.asarray(table)
    edges = np.stack([corner[:, :-1].ravel(), corner[:, 1:].ravel()], -1) + start
    attrs = {"cf_role": "mesh_topology", "topology_dimension": 2, "node_coordinates": "x_of y_of",
             "face_node_connectivity": "faces_of", "edge_node_connectivity": "edges_of", "face_dimension": "nface"}  # fmt: skip
    role = {"cf_role": "face_node_connectivity", "start_index": start, "_FillValue": -1}
    data = xr.Dataset(
        {
            "mesh": ((), 0, {k: v for k, v in {**attrs, **mesh}.items() if v != ""}),
            "faces_of": (("four", "nface"), faces.T, role) if is_transposed else (("nface", "four"), faces, role),
            "edges_of": (("nedge", "two"), edges, {"cf_role": "edge_node_connectivity", "start_index": start}),
            "x_of": ("nnode", EAST.ravel(), {"standard_name": "longitude", "units": "degrees_east"}),
            "y_of": ("nnode", NORTH.ravel(), {"standard_name": "latitude", "units": "degrees_north"}),
            "t": (("time", "nface"), np.zeros((2, len(faces)), np.float32), {"units": "K", "mesh": "mesh", "location": "face"}),
            "u": (("time", "nedge"), np.zeros((2, 30), np.float32), {"units": "m s-1", "mesh": "mesh", "location": "edge"}),
            "h": (("time", "nnode"), np.zeros((2, 35), np.float32), {"units": "m", "mesh": "mesh", "location": "node"}),
        },
        {"time": TIME},
    )  # fmt: skip
    data.to_netcdf(tmp_path / "mesh.nc")
    return tmp_path / "mesh.nc"


@pytest.mark.parametrize(("start", "is_transposed"), [(0, False), (1, False), (1, True)])
def test_faces_and_edges_of_a_mesh_are_where_their_nodes_are(tmp_path: Path, start: int, is_transposed: bool) -> None:
    with NetcdfReader(of_a_mesh(tmp_path, start, is_transposed=is_transposed)) as reader:
        by_name = {r.short_name: reader.grid(r) for r in reader.records()}
    assert set(by_name) == {"t", "u", "h"}, "tables are no fields"
    assert [by_name[n].shape[1] for n in "tuh"] == [25, 30, 35]
    centre = (NORTH[:-1] + NORTH[1:])[:, :-1].ravel() / 2
    # the mean of four corners on the sphere lies a little nearer the pole than that on a map
    np.testing.assert_allclose(by_name["t"].latitude[0, :24], centre, atol=0.01)
    np.testing.assert_allclose(by_name["t"].longitude[0, :24], (EAST[:-1] + 0.5)[:, :-1].ravel(), atol=1e-9)
    assert 0.3 < by_name["t"].longitude[0, 24] < 0.36, "of the triangle, three corners count"
    np.testing.assert_allclose(by_name["u"].longitude[0], (EAST[:, :-1] + 0.5).ravel(), atol=1e-9)


def test_a_mesh_that_tells_no_places_says_what_lacks(tmp_path: Path) -> None:
    path = of_a_mesh(tmp_path, face_node_connectivity="", edge_node_connectivity="")
    with xr.open_dataset(path) as data:
        data.drop_vars(["u", "h", "edges_of"]).to_netcdf(tmp_path / "faces.nc")
    with (
        NetcdfReader(tmp_path / "faces.nc") as reader,
        pytest.raises(DataError, match="mesh mesh tells no places: expected .* face_node_connectivity"),
    ):
        reader.records()


def test_a_table_of_other_nodes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="faces_of names nodes 0 to 35 of 35 from 0 on"):
        NetcdfReader(of_a_mesh(tmp_path, table=[[0, 1, 35, 2], [0, 1, 2, 3]]))
