import threading

import pytest
import torch

from py4cast.metrics.pool import in_threads, single_threaded


def test_one_thread_works_in_place_and_in_order() -> None:
    names = in_threads(lambda i: (i, threading.current_thread().name), range(3))
    assert names == [(i, threading.current_thread().name) for i in range(3)]


def test_several_threads_give_results_in_order_and_make_no_gradient() -> None:
    torch.set_num_threads(2)
    results = in_threads(lambda i: (i, threading.current_thread().name, torch.is_inference_mode_enabled()), range(5))
    assert [i for i, _, _ in results] == list(range(5))
    assert all(name.startswith("py4cast-scores") and is_inference for _, name, is_inference in results)
    assert torch.get_num_threads() == 2 and not torch.is_inference_mode_enabled()


def test_an_item_alone_needs_no_thread() -> None:
    torch.set_num_threads(2)
    assert in_threads(lambda _: threading.current_thread().name, [0]) == [threading.current_thread().name]


def test_an_error_in_a_thread_is_raised() -> None:
    torch.set_num_threads(2)
    with pytest.raises(ZeroDivisionError):
        in_threads(lambda i: 1 // i, [1, 0, 1])


def test_the_number_of_threads_comes_back_after_an_error() -> None:
    torch.set_num_threads(2)
    with pytest.raises(RuntimeError, match="stop"), single_threaded():
        assert torch.get_num_threads() == 1
        raise RuntimeError("stop")
    assert torch.get_num_threads() == 2
