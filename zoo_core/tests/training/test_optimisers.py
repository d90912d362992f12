"""One step of the zoo's Adam is Adam's, however the gradient lies in memory."""

import torch

from zoo_core import Adam
from zoo_core.training.optimisers import Optimiser


def test_a_transposed_gradient_moves_the_weights_it_belongs_to():
    gradient = torch.randn(4, 3, generator=torch.Generator().manual_seed(0)).t()
    weight, plain = torch.zeros(3, 4, requires_grad=True), torch.zeros(3, 4, requires_grad=True)
    optimiser, reference = Optimiser(Adam(0.1), {"w": weight}), torch.optim.Adam([plain], lr=0.1, fused=False)
    for _ in range(3):
        optimiser.step([gradient], 0.0)
        plain.grad = gradient.contiguous()
        reference.step()
    assert torch.allclose(weight, plain, atol=1e-6)
    assert weight.grad is None
