"""Testing an encoder by its nearest neighbours, without training."""

from __future__ import annotations

from typing import Any

import torch
from mmengine.dist import all_gather, get_world_size
from mmengine.logging import print_log
from mmengine.runner import TestLoop
from torch import Tensor
from torch.utils.data import DataLoader

from ..evaluation.knn import knn_scores
from ..registry import LOOPS
from .hooks.class_check import check_classes, classes_of
from .unwrapped import unwrapped

__all__ = ['KNNTestLoop']


@LOOPS.register_module()
class KNNTestLoop(TestLoop):
    """Score a model of mmpretrain by k-NN among the features of its training images.

    The features are what neck, or else backbone, return last, in eval mode. Several
    processes share the work on the bank, and each then holds the whole of it.

    Args:
        runner: The runner.
        dataloader: Images to classify; the last classes of the bank may be missing.
        evaluator: Metrics on ``pred_score``, such as mmpretrain's ``Accuracy``.
        bank_dataloader: Images with known classes, in order and without augmentation.
        k: Number of neighbours.
        temperature: Temperature of their votes, see :func:`knn_scores`.
        fp16: Whether the encoder runs in mixed precision.

    Raises:
        ValueError: If the data of the bank is shuffled or partly dropped.
        ClassesError: If it has other classes than the images to classify.
    """

    def __init__(
        self,
        runner: Any,
        dataloader: Any,
        evaluator: Any,
        bank_dataloader: Any,
        k: int = 20,
        temperature: float = 0.07,
        fp16: bool = False,
    ) -> None:
        super().__init__(runner, dataloader, evaluator, fp16)
        self.bank_dataloader: DataLoader[Any] = (
            runner.build_dataloader(bank_dataloader, seed=runner.seed)
            if isinstance(bank_dataloader, dict)
            else bank_dataloader
        )
        loader = self.bank_dataloader
        if loader.drop_last or getattr(loader.sampler, 'shuffle', True):
            raise ValueError(
                'bank_dataloader must see every image once: set drop_last=False and '
                "sampler=dict(type='DefaultSampler', shuffle=False)"
            )
        bank, asked = (classes_of(each.dataset) for each in (loader, self.dataloader))
        check_classes(bank, asked, 'the test images')
        self.classes = len(bank or asked or ())
        self.k = k
        self.temperature = temperature
        self.bank: tuple[Tensor, Tensor] | None = None

    @torch.no_grad()
    def run(self) -> dict[str, float]:
        """Compute the features of the bank, then test as ever."""
        self.runner.model.eval()
        features, labels = zip(
            *(self._features(batch) for batch in self.bank_dataloader), strict=True
        )
        self.bank = (
            _join(features, self.bank_dataloader),
            _join(labels, self.bank_dataloader),
        )
        count, width = self.bank[0].shape
        print_log(f'k-NN among {count} features of {width} channels', logger='current')
        results: dict[str, float] = super().run()
        return results

    @torch.no_grad()
    def run_iter(self, idx: int, data_batch: Any) -> None:
        """Classify one batch."""
        self.runner.call_hook('before_test_iter', batch_idx=idx, data_batch=data_batch)
        assert self.bank is not None
        data = self._prepare(data_batch)
        features = self._extract(data['inputs'])
        # Where no names tell it, as many as the bank has.
        classes = self.classes or int(self.bank[1].max()) + 1
        scores = knn_scores(features, *self.bank, classes, self.k, self.temperature)
        samples = data['data_samples']
        for sample, score in zip(samples, scores, strict=True):
            sample.set_pred_score(score).set_pred_label(score.argmax())
        self.evaluator.process(data_samples=samples, data_batch=data_batch)
        self.runner.call_hook(
            'after_test_iter', batch_idx=idx, data_batch=data_batch, outputs=samples
        )

    def _prepare(self, data_batch: Any) -> dict[str, Any]:
        prepared: dict[str, Any] = self._model.data_preprocessor(data_batch, False)
        return prepared

    def _features(self, data_batch: Any) -> tuple[Tensor, Tensor]:
        """Features [B, C] and classes [B] of a batch of the bank."""
        data = self._prepare(data_batch)
        features = self._extract(data['inputs'])
        labels = torch.cat([sample.gt_label for sample in data['data_samples']])
        return features, labels.to(features.device)

    def _extract(self, images: Tensor) -> Tensor:
        with torch.autocast(images.device.type, enabled=self.fp16):
            found = self._model.extract_feat(images)
        last: Tensor = found[-1] if isinstance(found, (tuple, list)) else found
        if last.dim() != 2:
            raise ValueError(
                f'k-NN compares vectors, but the model gives {tuple(last.shape)}: give '
                "it neck=dict(type='mmpretrain.GlobalAveragePooling')"
            )
        return last.float()

    @property
    def _model(self) -> Any:
        return unwrapped(self.runner.model)


def _join(parts: tuple[Tensor, ...], loader: DataLoader[Any]) -> Tensor:
    """Join what the processes computed, in the order of the data set."""
    own = torch.cat(parts)
    if get_world_size() == 1:
        return own
    # The sampler deals samples in turn and repeats some at the end.
    dealt = torch.stack(all_gather(own), dim=1).flatten(0, 1)
    return dealt[: len(loader.dataset)]  # type: ignore[arg-type]
