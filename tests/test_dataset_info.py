from dataclasses import replace

import numpy as np
import pytest
import torch

from py4cast.dataset_info import DatasetInfo
from py4cast.errors import DataError


def test_roles_and_widths(small) -> None:
    info = small[0].info
    assert info.prognostic == ["z500", "u10", "v10", "t2m"] and info.diagnostic == ["tp"]
    assert info.predicted == [*info.prognostic, "tp"] and info.forcing == ["sin_hour", "cos_hour", "toa_radiation"]
    assert info.num_input_features(2) == 2 * 4 + len(info.static) + 3
    assert info.shortnames.input_output == info.prognostic and info.units["t2m"] == "K"
    assert info.state_weights["z500"] == 1.5 and info.state_weights["t2m"] == 2.0


def test_pack_round_trip(small) -> None:
    info = small[0].info
    meta, tensors = info.pack()
    back = DatasetInfo.unpack(meta, tensors)
    back.check_same(info)
    assert back.stats.to_dict() == info.stats.to_dict() and back.diff_stats.to_dict() == info.diff_stats.to_dict()
    assert torch.equal(back.statics.border_mask, info.statics.border_mask)
    assert torch.equal(back.statics.grid_static_features.tensor, info.statics.grid_static_features.tensor)


def test_other_data_are_refused_by_name(small) -> None:
    info = small[0].info
    flipped = replace(info, grid=info.grid.rows_columns(slice(None, None, -1), slice(None)))
    with pytest.raises(DataError, match="its grid is not the Forecaster's"):
        info.check_same(flipped)
    with pytest.raises(DataError, match="step of 7200 seconds"):
        info.check_same(replace(info, step_duration=np.timedelta64(7200, "s")))
    with pytest.raises(DataError, match=r"lacks prognostic 'u10'"):
        info.check_same(replace(info, variables=[v for v in info.variables if v.name != "u10"]))
    celsius = [replace(v, units="degC") if v.name == "t2m" else v for v in info.variables]
    with pytest.raises(DataError, match=r"t2m is prognostic, level 2, \[degC\]; the Forecaster expects .* \[K\]"):
        info.check_same(replace(info, variables=celsius))
    higher = [replace(v, level=10.0) if v.name == "t2m" else v for v in info.variables]
    with pytest.raises(DataError, match="level 10.0"):
        info.check_same(replace(info, variables=higher))
    info.check_same(replace(info, variables=list(reversed(info.variables))))


def test_without_border_every_cell_is_interior(small) -> None:
    info = small[0].info
    bare = info.without_border()
    assert (
        info.statics.border_mask.sum() > 0 and bare.statics.border_mask.sum() == 0 and bare.statics.interior_mask.all()
    )
    assert bare.static == info.static and bare.variables == info.variables


def test_summary_is_a_table(small) -> None:
    lines = small[0].info.summary().splitlines()
    assert lines[3].split()[:3] == ["variable", "role", "units"] and any(line.startswith("t2m ") for line in lines)
    with pytest.raises(ValueError, match="no variable 't2'; did you mean"):
        small[0].info.variable("t2")
