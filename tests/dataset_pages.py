"""Writes the tables of parameters into the pages of the named datasets: `python -m tests.dataset_pages`."""

from py4cast.datasets.poesy import PARAMETERS as POESY
from py4cast.datasets.smeagol import PARAMETERS as SMEAGOL
from py4cast.datasets.titan_parameters import PARAMETERS as TITAN
from tests.conftest import ROOT

BEGIN, END = "<!-- parameters: written by `python -m tests.dataset_pages` -->", "<!-- end of parameters -->"


def _table(columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [columns, ("---",) * len(columns), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def tables() -> dict[str, str]:
    """Page → its table."""
    titan = [
        (
            f"`{name}`", "pressure levels" if p.level is None else f"{p.level} {p.type_of_level}", p.units,
            f"shortName={p.short_name}, typeOfLevel={p.type_of_level}", p.standard_name, p.grid, f"`{p.file}`", "yes" if p.is_sum else "",
        )
        for name, p in TITAN.items()
    ]  # fmt: skip
    smeagol = [
        (f"`{name}`", "model levels 1–90" if name in ("TEMPERATURE", "WIND.U.PHYS", "WIND.V.PHYS", "HUMI.SPECIFI") else "surface", units, f"shortName={grib}", standard, "yes" if is_sum else "")
        for name, (grib, units, standard, is_sum) in SMEAGOL.items()
    ]  # fmt: skip
    poesy = [
        (f"`{name}`", f"{level} {kind}", units, f"shortName={grib}, typeOfLevel={kind}", standard, f"`{word}`")
        for name, (word, grib, units, standard, kind, level) in POESY.items()
    ]
    common = ("name", "level", "units", "GRIB keys", "CF name")
    return {
        "titan": _table((*common, "native grid", "file", "sum over the hour"), titan),
        "smeagol": _table((*common, "sum since the start"), smeagol),
        "poesy": _table((*common, "word in the file's name"), poesy),
    }


def page(name: str, table: str) -> str:
    """The page with its table."""
    text = (ROOT / "doc" / f"{name}.md").read_text()
    head, rest = text.split(BEGIN)
    return f"{head}{BEGIN}\n{table}\n{END}{rest.split(END)[1]}"


if __name__ == "__main__":
    for name, table in tables().items():
        (ROOT / "doc" / f"{name}.md").write_text(page(name, table))
