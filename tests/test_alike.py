from types import SimpleNamespace

import pytest
import torch

from py4cast.alike import Alike, check_alike, marks_of
from py4cast.errors import SharedError
from py4cast.forecaster import Forecaster
from py4cast.testing import make_batch, make_info

INFO = make_info((16, 20), border_size=0)


def marks(seed: int = 0, model: int = 4, shift: float = 0.0, count: int = 9, loss: str = "mse") -> dict[str, str]:
    torch.manual_seed(seed)
    forecaster = Forecaster.build(INFO, "cnn", "scaled_ar", 2, {"num_filters": model})
    batch = make_batch(INFO, num_pred_steps=1)
    batch.inputs.tensor[0, 0, 3, 4, 0] += shift
    return marks_of(
        SimpleNamespace(forecaster=forecaster), batch, count, {"train": {"loss": loss}, "optim": {"lr": 0.001}}
    )


def test_ranks_that_are_alike_pass_and_others_are_named() -> None:
    check_alike([marks(), marks(), marks()])
    for other, told in (
        (marks(seed=1), "rank 1 has another weights to begin from"),
        (marks(model=5), "rank 1 has another settings, variables or statistics"),
        (marks(shift=1.0), "rank 1 has another first sample"),
        (marks(count=8), r"rank 1 has another number of samples \(8\) than rank 0 \(9\)"),
        (marks(loss="mae"), r'rank 1 has another setting train.loss \("mae"\) than rank 0 \("mse"\)'),
        ({**marks(), "version of py4cast": "0.0.1"}, "rank 1 has another version of py4cast"),
    ):
        with pytest.raises(SharedError, match=told):
            check_alike([marks(), other])


def test_alone_nothing_is_read() -> None:
    Alike(None, {}).setup(SimpleNamespace(), SimpleNamespace(), "fit")  # type: ignore[arg-type]
