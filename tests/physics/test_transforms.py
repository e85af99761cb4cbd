import numpy as np
import pytest
import torch
from torch import Tensor

from py4cast.physics.transforms import analysed, is_learned_through, put_rows, synthesised, take_rows

SIZE = 8
COUNTS = torch.tensor([1.0, 2.0, 2.0, 2.0], dtype=torch.float64)  # k_x = 0 … 3


def noise(*shape: int) -> Tensor:
    return torch.from_numpy(np.random.default_rng(0).standard_normal(shape))


def waves(rows: int = 7) -> Tensor:
    """Random coefficients of a real field, `(rows, 4)`."""
    return analysed(noise(SIZE, SIZE), COUNTS, rows)


def test_rows_are_the_long_waves_of_either_sign() -> None:
    modes = torch.arange(8)[:, None]
    assert take_rows(modes, 5).flatten().tolist() == [0, 1, 2, 6, 7]
    assert take_rows(modes, 8) is modes
    put = put_rows(torch.tensor([[1.0], [2.0], [3.0], [4.0], [5.0]]), 8)
    assert put.flatten().tolist() == [1, 2, 3, 0, 0, 0, 4, 5]
    assert torch.equal(take_rows(put, 5), torch.tensor([[1.0], [2.0], [3.0], [4.0], [5.0]]))
    assert put_rows(modes, 8) is modes


def test_coefficients_are_those_of_the_formula() -> None:
    field = noise(3, SIZE, SIZE)
    whole = np.fft.fft2(field.numpy()) / SIZE**2
    np.testing.assert_allclose(analysed(field, COUNTS, 7), whole[:, [0, 1, 2, 3, 5, 6, 7], :4], atol=1e-15)
    np.testing.assert_allclose(analysed(field, COUNTS[:2], 3), whole[:, [0, 1, 7], :2], atol=1e-15)


@pytest.mark.parametrize("size", [8, 12])
def test_the_field_is_the_sum_of_its_waves(size: int) -> None:
    modes = waves()
    line = np.arange(size) * 2 * np.pi / size
    field = np.zeros((size, size))
    for row, ky in enumerate([0, 1, 2, 3, -3, -2, -1]):
        for kx in range(4):
            phase = np.exp(1j * (kx * line[None, :] + ky * line[:, None]))
            field += float(COUNTS[kx]) * (complex(modes[row, kx]) * phase).real
    np.testing.assert_allclose(synthesised(modes, COUNTS, size), field, atol=1e-13)
    np.testing.assert_allclose(analysed(synthesised(modes, COUNTS, size), COUNTS, 7), modes, atol=1e-15)


def test_gradients_are_those_of_torchs_own_transforms() -> None:
    field = noise(SIZE, SIZE).requires_grad_()
    given = torch.complex(noise(5, 4), noise(5, 4).flip(0))
    (gradient,) = torch.autograd.grad(analysed(field, COUNTS, 5), field, given)
    plain = torch.fft.fft(torch.fft.rfft(field, norm="forward")[..., :4], dim=-2, norm="forward")
    (expected,) = torch.autograd.grad(torch.cat([plain[:3], plain[6:]]), field, given)
    torch.testing.assert_close(gradient, expected, rtol=0, atol=1e-14)
    modes = waves().requires_grad_()
    (back,) = torch.autograd.grad(synthesised(modes, COUNTS, SIZE), modes, noise(SIZE, SIZE))
    along = torch.fft.ifft(torch.cat([modes[:4], torch.zeros(1, 4), modes[4:]]), dim=-2, norm="forward")
    (wanted,) = torch.autograd.grad(torch.fft.irfft(along, n=SIZE, norm="forward"), modes, noise(SIZE, SIZE))
    torch.testing.assert_close(back, wanted, rtol=0, atol=1e-13)


def test_gradients_of_gradients() -> None:
    field = noise(SIZE, SIZE).requires_grad_()
    assert torch.autograd.gradgradcheck(lambda f: analysed(f, COUNTS, 5), (field,), fast_mode=True)
    modes = waves(5).requires_grad_()
    assert torch.autograd.gradgradcheck(lambda m: synthesised(m, COUNTS, SIZE), (modes,), fast_mode=True)


@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")  # torch's own, at the first tangent
def test_tangents_are_the_transforms_themselves() -> None:
    field, change = noise(SIZE, SIZE).requires_grad_(), torch.ones(SIZE, SIZE).double()
    tangent: Tensor = torch.func.jvp(lambda f: analysed(f, COUNTS, 5), (field,), (change,))[1]
    torch.testing.assert_close(tangent, analysed(change, COUNTS, 5))
    modes = waves().requires_grad_()
    fields: Tensor = torch.func.jvp(lambda m: synthesised(m, COUNTS, SIZE), (modes,), (waves(),))[1]
    torch.testing.assert_close(fields, synthesised(waves(), COUNTS, SIZE))


def test_a_gradient_comes_back_where_it_is_asked_for() -> None:
    field = noise(SIZE, SIZE)
    assert not is_learned_through(field) and is_learned_through(field.requires_grad_())
    with torch.no_grad():
        assert not is_learned_through(field)
