"""Model definitions that make.py trains or merely saves as TorchScript.

Kept apart from make.py so that the source positions which TorchScript stores name this file only.
All real models return raw logits, shape [rows].
"""

from typing import Dict, Tuple

import torch
from torch import Tensor, nn


class Standardised(nn.Module):
    """Standardises the features, then applies a network with one output."""

    def __init__(self, mean: Tensor, scale: Tensor, network: nn.Module):
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("scale", scale)
        self.network = network

    def forward(self, features: Tensor) -> Tensor:
        return self.network((features - self.mean) / self.scale).squeeze(1)


class Compressed(nn.Module):
    """Adds the signed logarithms of the features, which have long tails."""

    def __init__(self, mean: Tensor, scale: Tensor, network: nn.Module):
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("scale", scale)
        self.network = network

    def forward(self, features: Tensor) -> Tensor:
        logarithms = torch.sign(features) * torch.log1p(torch.abs(features))
        both = torch.cat([features, logarithms], dim=1)
        return self.network((both - self.mean) / self.scale).squeeze(1)


class Slow(nn.Module):
    """Returns what the inner model returns, after much work that changes nothing."""

    def __init__(self, inner: nn.Module, rounds: int, side: int):
        super().__init__()
        self.inner = inner
        self.rounds = rounds
        self.side = side

    def forward(self, features: Tensor) -> Tensor:
        weights = torch.full([self.side, self.side], 1.0 / self.side)
        state = torch.full([self.side, self.side], 0.5)
        for _ in range(self.rounds):
            state = torch.tanh(torch.mm(state, weights))
        return self.inner(features) + 0.0 * state[0, 0]


class Raises(nn.Module):
    def forward(self, features: Tensor) -> Tensor:
        if bool((features == features).any()):
            raise ValueError("negative amounts are not supported")
        return features[:, 0]


class NotANumber(nn.Module):
    """Returns NaN for one row in each batch."""

    def __init__(self, inner: nn.Module):
        super().__init__()
        self.inner = inner

    def forward(self, features: Tensor) -> Tensor:
        scores = self.inner(features).clone()
        scores[0] = float("nan")
        return scores


class Hang(nn.Module):
    def forward(self, features: Tensor) -> Tensor:
        total = features[:, 0] * 0.0
        while bool((total == total).any()):
            total = total * 0.5
        return total


class MemoryHog(nn.Module):
    """Takes 100 GB at once."""

    def forward(self, features: Tensor) -> Tensor:
        return torch.ones([25_000_000_000]).sum() + features[:, 0]


class MemoryLeak(nn.Module):
    """Takes memory step by step and touches it, up to 130 GB."""

    def forward(self, features: Tensor) -> Tensor:
        kept = torch.ones([1_000])
        for _ in range(25):
            kept = torch.cat([kept, kept])
        return kept.sum() + features[:, 0]


class Crash(nn.Module):
    """Reads far outside its memory: lengths that an operator takes unchecked when asked to."""

    def forward(self, features: Tensor) -> Tensor:
        lengths = torch.full([1], 1 << 40, dtype=torch.int64)
        total = torch.segment_reduce(torch.ones([4]), "sum", lengths=lengths, unsafe=True)
        return features[:, 0] + total.sum()


class ReadsFile(nn.Module):
    """Turns bytes of a file of the machine into scores."""

    def forward(self, features: Tensor) -> Tensor:
        stolen = torch.from_file("/etc/passwd", False, 16, dtype=torch.uint8)
        return features[:, 0] * 0.0 + stolen.float().sum()


class WritesFile(nn.Module):
    """Creates a file and writes into it."""

    def forward(self, features: Tensor) -> Tensor:
        shared = torch.from_file("/tmp/written-by-a-model", True, 16, dtype=torch.uint8)
        shared.fill_(65)
        return features[:, 0] * 0.0 + shared.float().sum()


class PairOfLogits(nn.Module):
    """Shape [rows, 2]; the second minus the first is the inner model's logit."""

    def __init__(self, inner: nn.Module):
        super().__init__()
        self.inner = inner

    def forward(self, features: Tensor) -> Tensor:
        logit = self.inner(features)
        shift = features[:, 0]
        return torch.stack([shift, shift + logit], dim=1)


class PairOfProbabilities(nn.Module):
    def __init__(self, inner: nn.Module):
        super().__init__()
        self.inner = inner

    def forward(self, features: Tensor) -> Tensor:
        probability = torch.sigmoid(self.inner(features))
        return torch.stack([1.0 - probability, probability], dim=1)


class Column(nn.Module):
    """Shape [rows, 1]."""

    def __init__(self, inner: nn.Module):
        super().__init__()
        self.inner = inner

    def forward(self, features: Tensor) -> Tensor:
        return self.inner(features).unsqueeze(1)


class TupleOutput(nn.Module):
    def __init__(self, inner: nn.Module):
        super().__init__()
        self.inner = inner

    def forward(self, features: Tensor) -> Tuple[Tensor, Tensor]:
        return self.inner(features), features


class DictionaryOutput(nn.Module):
    def __init__(self, inner: nn.Module):
        super().__init__()
        self.inner = inner

    def forward(self, features: Tensor) -> Dict[str, Tensor]:
        return {"logits": self.inner(features), "features": features}


class Classes(nn.Module):
    """Whole numbers of classes instead of scores."""

    def __init__(self, inner: nn.Module):
        super().__init__()
        self.inner = inner

    def forward(self, features: Tensor) -> Tensor:
        return (self.inner(features) > 0.0).long()


class OneForAll(nn.Module):
    """One number for the whole batch."""

    def __init__(self, inner: nn.Module):
        super().__init__()
        self.inner = inner

    def forward(self, features: Tensor) -> Tensor:
        return self.inner(features).mean()


class InPlace(nn.Module):
    """Changes its input."""

    def __init__(self, inner: nn.Module):
        super().__init__()
        self.inner = inner

    def forward(self, features: Tensor) -> Tensor:
        scores = self.inner(features)
        features.fill_(0.0)
        return scores


class ThreeInputs(nn.Module):
    """Logits of four classes, shape [rows, 4], from three tensors of which one holds whole numbers."""

    def __init__(self, shops: int, history: int):
        super().__init__()
        self.shops = nn.Embedding(shops, 4)
        self.network = nn.Sequential(nn.Linear(3 + history + 4, 24), nn.ReLU(), nn.Linear(24, 4))

    def forward(self, amounts: Tensor, history: Tensor, shop: Tensor) -> Tensor:
        return self.network(torch.cat([torch.log1p(amounts), history, self.shops(shop)], dim=1))


class OneOfClasses(nn.Module):
    """One class against the rest out of the logits of several, shape [rows]."""

    def __init__(self, inner: nn.Module):
        super().__init__()
        self.inner = inner

    def forward(self, amounts: Tensor, history: Tensor, shop: Tensor) -> Tensor:
        logits = self.inner(amounts, history, shop)
        return logits[:, 0] - torch.logsumexp(logits[:, 1:], dim=1)


class ClassProbabilities(nn.Module):
    def __init__(self, inner: nn.Module):
        super().__init__()
        self.inner = inner

    def forward(self, amounts: Tensor, history: Tensor, shop: Tensor) -> Tensor:
        return torch.softmax(self.inner(amounts, history, shop), dim=1)


class ClassDictionary(nn.Module):
    def __init__(self, inner: nn.Module):
        super().__init__()
        self.inner = inner

    def forward(self, amounts: Tensor, history: Tensor, shop: Tensor) -> Dict[str, Tensor]:
        logits = self.inner(amounts, history, shop)
        return {"logits": logits, "best": logits.argmax(dim=1)}


class ClassTuple(nn.Module):
    """The vectors first, the classes second."""

    def __init__(self, inner: nn.Module):
        super().__init__()
        self.inner = inner

    def forward(self, amounts: Tensor, history: Tensor, shop: Tensor) -> Tuple[Tensor, Tensor]:
        return history, self.inner(amounts, history, shop)
