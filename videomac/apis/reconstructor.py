"""Frames masked and filled in again, as pictures."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..checkpoints import read_checkpoint
from ..checkpoints.encoder_part import class_of
from ..checkpoints.released_layout import convert_released
from ..checkpoints.stored_config import harmless, stored_config
from ..checkpoints.whole import whole_config
from ..datasets.transforms import FramesResizedCenterCrop
from ..datasets.video_input import Frames, Video, open_video, to_tensor
from ..models import EMATarget, RandomPatchMasking, SharedTarget, VideoMAC
from ..sparse import PatchGrid
from ..sparse.patch_grid import grid_shape
from ..utils.devices import usable_device
from ..visualization.reconstruction import GREY
from .progress import Cancel, Progress, Tracker
from .reconstruction import Reconstruction
from .zoo import fill_model, model_config

__all__ = ['Reconstructor']

Pictures = NDArray[np.uint8]
#: Short side; height and width; or as the frames are.
Size = int | Sequence[int] | Literal['original'] | None

TRAINED_SIZE = 224  # pixels, where the config does not say


class Reconstructor:
    """Masks frames and lets a VideoMAC fill them in again.

    Args:
        model: A checkpoint of a training run, or a model that is built.
        config: Its config, the name of one or a mapping with ``model``; that of the run
            is in the checkpoint.
        device: Where to compute [a GPU if there is one; where a built model is].

    Attributes:
        model: The model.
        image_size: Pixels of the short side that frames are brought to, as in training.

    Raises:
        FileNotFoundError: If there is no such checkpoint or config.
        ValueError: If the checkpoint holds code, lacks its config, does not fit, or is
            of something else than a :class:`VideoMAC`; or if there is no such device.
    """

    def __init__(
        self,
        model: VideoMAC | str | os.PathLike[str],
        config: str | os.PathLike[str] | Mapping[str, Any] | None = None,
        device: str | torch.device | None = None,
    ) -> None:
        if device is not None or not isinstance(model, VideoMAC):
            device = usable_device(device)  # raises now rather than after loading
        settings: Any = config
        if config is not None and not isinstance(config, Mapping):
            settings = model_config(config)
        if isinstance(model, VideoMAC):
            self.model = model
        else:
            if settings is None:
                settings = _settings_of(Path(model))
            self.model = _load(Path(model), settings)
        if device is not None:
            self.model.to(device)
        self.image_size = _trained_size(settings or {})

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return next(self.model.parameters()).device

    def grid_shape(
        self, video: Video, *, size: Size = None, patch_size: int | None = None
    ) -> tuple[int, int]:
        """Find the rows and columns of patches that the frames of a video have.

        Args:
            video: Anything that :func:`~videomac.apis.open_video` takes.
            size: See :meth:`__call__`.
            patch_size: See :meth:`__call__`.

        Raises:
            FileNotFoundError: If there is no such video.
            ValueError: If the video cannot be read, or an argument is out of its range.
        """
        patch = self._patch_size(patch_size)
        height, width = self._fit(open_video(video)[0], size, patch).shape[:2]
        return grid_shape((height, width), patch)

    def __call__(
        self,
        video: Video,
        frames: slice | Sequence[int] | None = None,
        *,
        mask_ratio: float | None = None,
        patch_size: int | None = None,
        visible: NDArray[np.bool_] | None = None,
        seed: int = 0,
        size: Size = None,
        network: Literal['online', 'target'] = 'online',
        on_frame: Callable[[int, Reconstruction], None] | None = None,
        progress: bool | Callable[[Progress], None] = True,
        cancel: Cancel | None = None,
    ) -> Reconstruction:
        """Reconstruct frames.

        Args:
            video: Anything that :func:`~videomac.apis.open_video` takes.
            frames: Which of its frames, a slice or their numbers; None for all.
            mask_ratio: Share of the patches that is hidden, in (0, 1) [the model's].
            patch_size: Side of a patch in pixels, a multiple of what a cell of the
                encoder covers [the model's]. With another share or size than the
                model's, random patches are hidden, whatever its own masks are like.
            visible: The patches to show instead of random ones, bool [rows, cols] for
                all frames or [T, rows, cols]; see :meth:`grid_shape`.
            seed: Of random masks; equal seeds give equal masks.
            size: Height and width in pixels, multiples of the patch; or the short side,
                or ``'original'``, and sides are cropped about the middle to whole
                patches [:attr:`image_size`].
            network: The online or the target network.
            on_frame: Called with the number of a frame that is done (from 0) and its
                pictures.
            progress: True for a line on standard error, or a function that gets a
                :class:`~videomac.apis.Progress` after every frame.
            cancel: An event, or a function, that stops the run after a frame.

        Returns:
            The pictures; of the frames that are done if it was cancelled.

        Raises:
            FileNotFoundError: If there is no such video.
            ValueError: If the video cannot be read, or an argument is out of its range.
        """
        clip = open_video(video, frames)
        patch = self._patch_size(patch_size)
        part = self._network(network)
        grids = self._masks(clip, size, patch, mask_ratio, visible, seed)
        tracker = Tracker(len(clip), progress, cancel)
        done: list[Reconstruction] = []
        training = self.model.training
        self.model.eval()
        try:
            for index, grid in enumerate(grids):
                picture = self._fit(clip[index], size, patch)
                done.append(self._reconstruct(part, picture, grid))
                tracker.step()
                if on_frame is not None:
                    on_frame(index, done[-1])
                if tracker.cancelled:
                    break
        finally:
            self.model.train(training)
        return _joined(done, len(clip))

    @torch.no_grad()
    def _reconstruct(
        self,
        network: VideoMAC | EMATarget | SharedTarget,
        picture: Pictures,
        grid: PatchGrid,
    ) -> Reconstruction:
        batch = {'inputs': to_tensor(picture)[None, None]}
        images = self.model.data_preprocessor(batch)['inputs'][:, 0]
        values = self.model.reconstruct(network, images, grid)
        painted = self.model.paint(images, values, grid)['reconstruction'][0]
        prediction = (painted * 255).round().byte().permute(1, 2, 0).cpu().numpy()
        shown = grid.cell_mask(grid.patch_size, grid.patch_size)[0].cpu().numpy()
        grey = np.full_like(picture, round(GREY * 255))
        return Reconstruction(
            original=picture[None],
            masked=np.where(shown[..., None], picture, grey)[None],
            prediction=prediction[None],
            pasted=np.where(shown[..., None], picture, prediction)[None],
            visible=grid.visible.cpu().numpy(),
        )

    def _patch_size(self, patch_size: int | None) -> int:
        own: int = self.model.masking.patch_size
        decoder: Any = self.model.decoder
        cell: int = decoder.cell_size
        if patch_size is None:
            return own
        if patch_size < 1 or patch_size % cell:
            raise ValueError(
                f'patch_size must be a multiple of {cell} pixels, which a cell of this '
                f'encoder covers, got {patch_size}'
            )
        return patch_size

    def _network(self, network: str) -> VideoMAC | EMATarget | SharedTarget:
        if network not in ('online', 'target'):
            raise ValueError(f"network must be 'online' or 'target', got {network!r}")
        if network == 'online':
            return self.model
        if self.model.target is None:
            raise ValueError('this model was trained on single frames, without a target')
        return self.model.target

    def _fit(self, picture: Pictures, size: Size, patch: int) -> Pictures:
        """Resize a frame and crop it about its middle to whole patches."""
        height, width = picture.shape[:2]
        if isinstance(size, str) and size != 'original':
            raise ValueError(f"size must be pixels or 'original', got {size!r}")
        if isinstance(size, Sequence) and not isinstance(size, str):
            return _resized(picture, size)
        if isinstance(size, str):
            target = height // patch * patch, width // patch * patch
        else:
            short = self.image_size if size is None else size
            whole = (
                short * height // min(height, width),
                short * width // min(height, width),
            )
            target = whole[0] // patch * patch, whole[1] // patch * patch
        if not min(target):
            raise ValueError(
                f'frames of {width} x {height} pixels, size={size!r}, hold no patch of '
                f'{patch} pixels: give a larger size or a smaller patch_size'
            )
        if not isinstance(size, str):
            return _resized(picture, target)
        top, left = (height - target[0]) // 2, (width - target[1]) // 2
        return picture[top : top + target[0], left : left + target[1]].copy()

    def _masks(
        self,
        clip: Frames,
        size: Size,
        patch: int,
        ratio: float | None,
        visible: NDArray[np.bool_] | None,
        seed: int,
    ) -> Iterator[PatchGrid]:
        """Find the grid of every frame; raises at once, not at the first frame."""
        pixels = self._fit(clip[0], size, patch).shape[:2]
        if visible is None:
            masking = self.model.masking
            if ratio is not None or patch != masking.patch_size:
                masking = _random_masks(masking, patch, ratio)
            generator = torch.Generator(self.device).manual_seed(seed)
            device = self.device
            return iter(masking(1, pixels, len(clip), device, generator))
        shown = np.asarray(visible)
        shape = grid_shape(pixels, patch)
        if shown.dtype != np.bool_ or shown.shape not in (shape, (len(clip), *shape)):
            raise ValueError(
                f'visible must be bool of {shape[0]} x {shape[1]} (rows x columns of '
                f'patches), or one such for each of {len(clip)} frames, got '
                f'{shown.dtype} {list(shown.shape)}'
            )
        if ratio is not None:
            raise ValueError('give either mask_ratio or visible')
        each = np.broadcast_to(shown, (len(clip), *shape))
        if not each.any((1, 2)).all():
            raise ValueError('visible shows no patch at all; show at least one a frame')
        tensors = torch.from_numpy(each.copy()).to(self.device)
        return (PatchGrid.from_mask(mask[None], patch) for mask in tensors)


def _random_masks(own: Any, patch: int, ratio: float | None) -> RandomPatchMasking:
    """Random masks in the place of a model's, and as those are in what they tell."""
    told = {name: getattr(own, name, None) for name in ('ratio', 'symmetric')}
    if ratio is not None:
        told['ratio'] = ratio
    given: Any = {name: value for name, value in told.items() if value is not None}
    return RandomPatchMasking(patch, **given)


def _joined(parts: Sequence[Reconstruction], total: int) -> Reconstruction:
    """One reconstruction of the frames that are done."""
    names = ('original', 'masked', 'prediction', 'pasted', 'visible')
    arrays = {n: np.concatenate([getattr(each, n) for each in parts]) for n in names}
    return Reconstruction(**arrays, cancelled=len(parts) < total)


def _resized(picture: Pictures, size: Sequence[int]) -> Pictures:
    """Resize and crop as the model is shown held-out frames."""
    crop = FramesResizedCenterCrop(size)
    frames: Tensor = crop.transform({'frames': to_tensor(picture)[None]})['frames']
    return frames[0].permute(1, 2, 0).contiguous().numpy()


def _settings_of(path: Path) -> dict[str, Any]:
    """The config that a checkpoint carries, or that of a model of the released code."""
    content = read_checkpoint(path)
    stored = stored_config(content)
    if stored is not None and isinstance(stored.get('model'), Mapping):
        return stored | {'model': harmless(stored['model'])}
    if 'online_without_ddp' in content:
        return {'model': whole_config(convert_released(content))}
    state = content.get('state_dict', content)
    if not any(str(key).startswith('decoder.') for key in state):
        raise ValueError(
            f"the checkpoint '{path}' has no decoder of a VideoMAC, and an encoder alone "
            'reconstructs nothing: give the checkpoint of a pre-training run'
        )
    raise ValueError(
        f"the checkpoint '{path}' does not carry the config of its run: give that as "
        'well, as config= or --config'
    )


def _load(path: Path, settings: Mapping[str, Any]) -> VideoMAC:
    config = settings.get('model', {})
    kind = class_of(config)
    if not (isinstance(kind, type) and issubclass(kind, VideoMAC)):
        raise ValueError(
            f"'{path}' is of a {config.get('type')}, and only a VideoMAC can be drawn "
            'here: give the checkpoint of a pre-training run of one (configs/videomac)'
        )
    model = fill_model(config, os.fspath(path))
    assert isinstance(model, VideoMAC)
    return model


def _trained_size(settings: Mapping[str, Any]) -> int:
    """Side of the frames in training, by the config's pipeline."""
    loader: Any = settings.get('train_dataloader') or {}
    for step in loader.get('dataset', {}).get('pipeline', ()):
        size = step.get('size')
        if isinstance(size, int):
            return size
        if isinstance(size, Sequence) and len(size) == 2:
            return min(size)
    return TRAINED_SIZE
