"""A small model of one's own, on disk, with data."""

import numpy as np
import pytest


@pytest.fixture(scope="session")
def toy(tmp_path_factory):
    """A folder: ``toy.pt2`` (two convolutions, a linear layer; one channel much wider), ``toy.npz`` of 300 samples."""
    import torch
    from torch import nn

    class Toy(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem = nn.Conv2d(1, 4, 3, padding=1)
            self.body = nn.Conv2d(4, 4, 3, padding=1)
            self.head = nn.Linear(4 * 8 * 8, 5)

        def forward(self, images):
            return self.head(torch.relu(self.body(torch.relu(self.stem(images)))).flatten(1))

    folder = tmp_path_factory.mktemp("toy")
    torch.manual_seed(0)
    model = Toy().eval()
    images = np.random.default_rng(0).normal(size=(300, 1, 8, 8)).astype(np.float32)
    with torch.no_grad():
        model.stem.weight[0] *= 40
        labels = model(torch.from_numpy(images)).argmax(1).numpy()
    batch = torch.export.Dim("batch", min=2, max=4096)
    torch.export.save(
        torch.export.export(model, (torch.from_numpy(images[:2]),), dynamic_shapes=({0: batch},)), folder / "toy.pt2"
    )
    np.savez(folder / "toy.npz", images=images, labels=labels)
    return folder


@pytest.fixture
def cli(capsys):
    """Run the command line in this process: ``status, standard output, standard error``."""
    from qdebug.cli import main

    def run(*arguments):
        capsys.readouterr()
        status = main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        return status, out, err

    return run
