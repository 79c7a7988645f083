from __future__ import annotations

import copy
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from trainer.methods.cross_lingual import CrossLingualNetwork
from trainer.methods.muon import Muon, orthogonalised
from trainer.recipe import CrossLingual
from trainer.towers.trained_text import TrainedText


@pytest.mark.parametrize("shape", [(8, 8), (4, 32), (32, 4)])
def test_singular_values_come_close_to_one_and_the_vectors_stay(shape):
    torch.manual_seed(0)
    matrix = torch.randn(shape)
    left, _, right = torch.linalg.svd(matrix, full_matrices=False)
    found = left.T @ orthogonalised(matrix) @ right.T
    values = found.diagonal()
    assert ((values > 0.5) & (values < 1.3)).all()
    torch.testing.assert_close(found, torch.diag(values), atol=1e-4, rtol=0)


def test_bfloat16_gives_nearly_the_same():
    torch.manual_seed(0)
    matrix = torch.randn(64, 256)
    found, exact = orthogonalised(matrix, torch.bfloat16), orthogonalised(matrix)
    assert found.dtype == torch.bfloat16
    assert torch.cosine_similarity(found.float().flatten(), exact.flatten(), dim=0) > 0.999


def test_a_matrix_without_gradient_signal_is_no_error():
    assert orthogonalised(torch.zeros(3, 5)).abs().sum() == 0


def test_an_update_has_the_size_of_adamws_and_does_not_depend_on_the_gradients():
    torch.manual_seed(0)
    for scale in (1e-3, 1.0):
        weight = nn.Parameter(torch.zeros(64, 64))
        optimiser = Muon([{"params": [weight], "lr": 1e-3, "weight_decay": 0.0, "orthogonal": True}])
        weight.grad = scale * torch.randn(64, 64)
        optimiser.step()
        assert 0.1e-3 < weight.square().mean().sqrt() < 0.3e-3


def test_other_groups_are_updated_as_by_adamw():
    torch.manual_seed(0)
    weight = nn.Parameter(torch.randn(4, 4))
    same = nn.Parameter(weight.detach().clone())
    ours, theirs = Muon([{"params": [weight], "orthogonal": False}], lr=0.1), torch.optim.AdamW([same], lr=0.1)
    for _ in range(3):
        weight.grad = same.grad = torch.randn(4, 4)
        ours.step()
        theirs.step()
    torch.testing.assert_close(weight, same, rtol=0, atol=0)


def test_weights_decay_where_their_group_says_so():
    weight = nn.Parameter(torch.ones(4, 4))
    optimiser = Muon([{"params": [weight], "lr": 0.1, "weight_decay": 0.5, "orthogonal": True}])
    weight.grad = torch.zeros(4, 4)
    optimiser.step()
    torch.testing.assert_close(weight.detach(), torch.full((4, 4), 0.95))


def test_a_restored_optimiser_goes_on_as_the_first_would_have():
    torch.manual_seed(0)
    gradients = torch.randn(4, 3, 5)

    def made() -> tuple[nn.ParameterList, Muon]:
        parameters = nn.ParameterList([torch.ones(3, 5), torch.ones(5)])
        matrix, vector = parameters
        groups = [{"params": [matrix], "orthogonal": True}, {"params": [vector], "orthogonal": False}]
        return parameters, Muon(groups, lr=0.1)

    def go_on(parameters: nn.ParameterList, optimiser: Muon, rows: torch.Tensor) -> None:
        for row in rows:
            parameters[0].grad, parameters[1].grad = row.clone(), row[0].clone()
            optimiser.step()

    parameters, optimiser = made()
    go_on(parameters, optimiser, gradients[:2])
    kept = copy.deepcopy((parameters.state_dict(), optimiser.state_dict()))
    go_on(parameters, optimiser, gradients[2:])
    restored, second = made()
    restored.load_state_dict(kept[0])
    second.load_state_dict(kept[1])
    go_on(restored, second, gradients[2:])
    for found, expected in zip(restored, parameters, strict=True):
        torch.testing.assert_close(found, expected, rtol=0, atol=0)


def test_a_closure_is_run_and_its_loss_returned():
    weight = nn.Parameter(torch.ones(2, 2))
    optimiser = Muon([{"params": [weight], "lr": 0.1, "weight_decay": 0.0, "orthogonal": True}])

    def closure() -> torch.Tensor:
        loss = weight.square().sum()
        loss.backward()
        return loss

    assert optimiser.step(closure) == 4
    assert (weight < 1).all()


@pytest.mark.parametrize("layers", ["adamw", "muon"])
def test_muon_has_the_matrices_of_the_layers_alone(layers, model_of):
    text = TrainedText(model_of(), "all")
    settings = CrossLingual.model_validate({"optimiser": {"epochs": 1, "layers": layers, "weight_decay": 0.02}})
    network = CrossLingualNetwork(text, settings, {}, seed=0)
    network.trainer = SimpleNamespace(estimated_stepping_batches=4, precision="32-true")
    groups = network.configure_optimizers()["optimizer"].param_groups

    found: dict[tuple[str, int], set[tuple[bool, float]]] = {}
    for name, parameter in text.named_parameters():
        (group,) = [group for group in groups if any(parameter is other for other in group["params"])]
        place = name.split(".")[0], parameter.ndim
        found.setdefault(place, set()).add((group["orthogonal"], group["weight_decay"]))
    assert found == {
        ("embeddings", 2): {(False, 0.02)},
        ("embeddings", 1): {(False, 0.0)},
        ("layers", 2): {(layers == "muon", 0.02)},
        ("layers", 1): {(False, 0.0)},
        ("projection", 2): {(False, 0.02)},
        ("projection", 1): {(False, 0.0)},
    }
