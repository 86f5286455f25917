"""keras-cnn in PyTorch eager: steps per second, for comparison with
`cargo bench --bench step`.

    python benches/peers/torch_cnn.py [BATCH] [DEVICE]
"""

import torch
from torch import nn

from timing import arguments, report

batch, device = arguments(128)
torch.manual_seed(0)
model = nn.Sequential(
    nn.Conv2d(1, 32, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(5408, 128), nn.ReLU(), nn.Linear(128, 10)
).to(device)
optimizer = torch.optim.Adam(model.parameters())
loss_fn = nn.CrossEntropyLoss()
x = torch.randn(batch, 1, 28, 28, device=device)
y = torch.randint(0, 10, (batch,), device=device)


def step():
    optimizer.zero_grad()
    loss_fn(model(x), y).backward()
    optimizer.step()


report(step, batch, device)
