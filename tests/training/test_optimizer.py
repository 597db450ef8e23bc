"""Optimisers against torch's own, told everything by hand."""

import pytest
import torch

from tests.training.networks import batch, build
from videogn.training.module import VideoClassifier
from videogn.training.optimizer import optimizer_of


@pytest.mark.parametrize("name", ["sgd", "adamw"])
def test_updates_are_those_of_torch(name):
    ours, theirs = build("gn"), build("gn")
    settings = {"lr": 0.01, "momentum": 0.8, "weight_decay": 0.3, "norm_weight_decay": 0.05}
    gammas = {parameter for name, parameter in theirs.model.named_parameters() if "norm" in name}
    groups = [
        {"params": [p for p in theirs.model.parameters() if p not in gammas], "weight_decay": 0.3},
        {"params": [p for p in theirs.model.parameters() if p in gammas], "weight_decay": 0.05},
    ]
    by_hand = {
        "sgd": lambda: torch.optim.SGD(groups, lr=0.01, momentum=0.8, nesterov=True),
        "adamw": lambda: torch.optim.AdamW(groups, lr=0.01, betas=(0.8, 0.999)),
    }
    pairs = [(ours, optimizer_of(ours.model, name, **settings)), (theirs, by_hand[name]())]
    for step in range(3):
        for model, optimizer in pairs:
            optimizer.zero_grad()
            model(batch(2, seed=step)["views"]).square().mean().backward()
            optimizer.step()
    for (key, one), other in zip(ours.state_dict().items(), theirs.state_dict().values(), strict=True):
        assert torch.equal(one, other), key


def test_adamw_decays_apart_from_the_gradient():
    """In closed form: the first step is -lr * sign(gradient), and -lr * decay * weight beside it."""
    layer = torch.nn.Linear(3, 2)
    before = layer.weight.detach().clone()
    optimizer = optimizer_of(layer, "adamw", lr=0.1, momentum=0.9, weight_decay=0.5, norm_weight_decay=0.0)
    layer.weight.grad = torch.tensor([[1.0, -2.0, 3.0], [-4.0, 5.0, -6.0]])
    layer.bias.grad = torch.zeros(2)
    optimizer.step()
    torch.testing.assert_close(layer.weight, before * (1 - 0.1 * 0.5) - 0.1 * layer.weight.grad.sign())


def test_another_name_is_refused():
    with pytest.raises(ValueError, match="unknown optimizer 'adam'; expected one of sgd, adamw"):
        VideoClassifier(optimizer="adam")
