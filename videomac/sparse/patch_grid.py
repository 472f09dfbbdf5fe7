"""Which patches of a batch of images are visible, and the index tables this gives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

__all__ = ['PatchGrid', 'grid_shape']


def grid_shape(image_size: tuple[int, int], patch_size: int) -> tuple[int, int]:
    """Number of patches that an image has in each direction.

    Args:
        image_size: Height and width in pixels.
        patch_size: Side of the square patch in pixels.

    Returns:
        Rows and columns of the patch grid.

    Raises:
        ValueError: If the patch does not divide a side of the image.
    """
    for name, pixels in zip(('height', 'width'), image_size, strict=True):
        if pixels < patch_size or pixels % patch_size:
            raise ValueError(
                f'an image of {image_size[0]}x{image_size[1]} pixels cannot be split '
                f'into patches of {patch_size}x{patch_size}: its {name} {pixels} is not '
                f'a multiple of {patch_size}. Crop or resize the frames, or change the '
                "patch_size of the model's masking."
            )
    return image_size[0] // patch_size, image_size[1] // patch_size


@dataclass(frozen=True, eq=False)
class PatchGrid:
    """The mask as a value: which patches of each image of a batch are visible.

    A feature map of any resolution is described by the same grid: when the map has
    ``rows * h`` by ``cols * w`` cells, each patch covers ``h`` by ``w`` cells. Index
    tables are computed once for each resolution and shared by all layers (and by both
    networks when they are given the same grid).

    Args:
        batch_size: Number of images, B.
        rows: Rows of the patch grid.
        cols: Columns of the patch grid.
        patch_size: Side of a patch in pixels.
        index: Visible patches as flat positions ``(b * rows + i) * cols + j``,
            ascending, shape [N], dtype int64.
        per_sample: Number of visible patches of every image when it is the same for
            all of them, else None.
    """

    batch_size: int
    rows: int
    cols: int
    patch_size: int
    index: Tensor
    per_sample: int | None = None
    _tables: dict[tuple[object, ...], Tensor] = field(
        default_factory=dict, init=False, repr=False
    )

    @classmethod
    def from_mask(cls, visible: Tensor, patch_size: int) -> PatchGrid:
        """Make a grid from a map of visible patches.

        Args:
            visible: True where a patch is visible, bool, shape [B, rows, cols].
            patch_size: Side of a patch in pixels.

        Raises:
            ValueError: If the mask is not a bool tensor with three dimensions.
        """
        if visible.dim() != 3 or visible.dtype != torch.bool:
            raise ValueError(
                'visible must be a bool tensor of shape [B, rows, cols], got '
                f'{visible.dtype} of shape {tuple(visible.shape)}'
            )
        counts = visible.flatten(1).sum(1)
        uniform = len(counts) > 0 and bool((counts == counts[0]).all())
        return cls(
            batch_size=visible.shape[0],
            rows=visible.shape[1],
            cols=visible.shape[2],
            patch_size=patch_size,
            index=visible.flatten().nonzero().squeeze(1),
            per_sample=int(counts[0]) if uniform else None,
        )

    @classmethod
    def full(
        cls,
        batch_size: int,
        image_size: tuple[int, int],
        patch_size: int,
        device: torch.device | str | None = None,
    ) -> PatchGrid:
        """Make the grid of images whose patches are all visible."""
        rows, cols = grid_shape(image_size, patch_size)
        index = torch.arange(batch_size * rows * cols, device=device)
        return cls(batch_size, rows, cols, patch_size, index, rows * cols)

    def check_map(self, dense: Tensor) -> tuple[int, int]:
        """Return the cells of a patch in a map of shape [B, C, H, W].

        Raises:
            ValueError: If the map and the grid do not fit.
        """
        batch, _, height, width = dense.shape
        if batch != self.batch_size or height % self.rows or width % self.cols:
            raise ValueError(
                f'a map of shape {tuple(dense.shape)} does not fit a grid of '
                f'{self.batch_size} images with {self.rows}x{self.cols} patches'
            )
        return height // self.rows, width // self.cols

    @property
    def num_patches(self) -> int:
        """Patches of one image, visible or not."""
        return self.rows * self.cols

    @property
    def image_size(self) -> tuple[int, int]:
        """Height and width of the images in pixels."""
        return self.rows * self.patch_size, self.cols * self.patch_size

    @property
    def visible(self) -> Tensor:
        """True at visible patches, bool, shape [B, rows, cols]."""
        return (self.slots >= 0).view(self.batch_size, self.rows, self.cols)

    @property
    def masked(self) -> Tensor:
        """True at masked patches, bool, shape [B, rows, cols]."""
        return ~self.visible

    @property
    def slots(self) -> Tensor:
        """Place of each patch among the visible ones, -1 where masked, shape [B*R*C]."""

        def build() -> Tensor:
            slots = self.index.new_full((self.batch_size * self.num_patches,), -1)
            order = torch.arange(len(self.index), device=self.index.device)
            return slots.index_copy(0, self.index, order)

        return self.table(('slots',), build)

    @property
    def sample(self) -> Tensor:
        """Image to which each visible patch belongs, shape [N]."""
        return self.table(
            ('sample',), lambda: self.index.div(self.num_patches, rounding_mode='floor')
        )

    @property
    def place(self) -> tuple[Tensor, Tensor]:
        """Row and column of each visible patch, each of shape [N]."""
        return self.index.div(self.cols, rounding_mode='floor') % self.rows, (
            self.index % self.cols
        )

    @property
    def counts(self) -> Tensor:
        """Visible patches of each image, shape [B]."""
        return self.table(('counts',), lambda: self.visible.flatten(1).sum(1))

    def table(self, key: tuple[object, ...], build: Callable[[], Tensor]) -> Tensor:
        """Look up an index table under a key; it is made on first use."""
        if key not in self._tables:
            # A table first needed in inference mode may be needed in training later.
            with torch.inference_mode(False), torch.no_grad():
                self._tables[key] = build()
        return self._tables[key]

    def cell_mask(self, h: int, w: int) -> Tensor:
        """Visible cells of a map with h by w cells a patch.

        Returns:
            Bool, shape [B, rows * h, cols * w].
        """
        return self.visible.repeat_interleave(h, 1).repeat_interleave(w, 2)

    def gather(self, dense: Tensor, h: int, w: int) -> Tensor:
        """Take the visible patches out of a dense map.

        Args:
            dense: Channels-last map, shape [B, rows * h, cols * w, C].
            h: Cells of a patch vertically.
            w: Cells of a patch horizontally.

        Returns:
            Shape [N, h, w, C].
        """
        table = self._cell_table(h, w).flatten()
        cells = dense.flatten(0, 2).index_select(0, table)
        return cells.view(len(self.index), h, w, dense.shape[3])

    def scatter(self, patches: Tensor) -> Tensor:
        """Put visible patches into a dense map that is zero elsewhere.

        Args:
            patches: Shape [N, h, w, C].

        Returns:
            Channels-last map, shape [B, rows * h, cols * w, C].
        """
        _, h, w, channels = patches.shape
        shape = (self.batch_size, self.rows * h, self.cols * w, channels)
        dense = patches.new_zeros((shape[0] * shape[1] * shape[2], channels))
        table = self._cell_table(h, w).flatten()
        return dense.index_copy(0, table, patches.reshape(-1, channels)).view(shape)

    def batched(self, patches: Tensor, fill: float = 0.0) -> Tensor:
        """Line up the visible cells of each image.

        Args:
            patches: Shape [N, h, w, C].
            fill: Value at the end of images that have fewer patches than others.

        Returns:
            Shape [B, M, C], M the largest number of visible cells of an image.
        """
        cells, channels = patches.shape[1] * patches.shape[2], patches.shape[3]
        if self.per_sample is not None:
            return patches.reshape(self.batch_size, self.per_sample * cells, channels)
        most = int(self.counts.max())
        first = self.counts.cumsum(0) - self.counts
        order = torch.arange(len(self.index), device=self.index.device)
        place = self.sample * most + order - first[self.sample]
        lined = patches.new_full((self.batch_size * most, cells, channels), fill)
        lined = lined.index_copy(0, place, patches.flatten(1, 2))
        return lined.view(self.batch_size, most * cells, channels)

    def window_table(
        self, cells: tuple[int, int], start: tuple[int, int], length: tuple[int, int]
    ) -> Tensor:
        """Where to find, for every visible patch, the cells of a window around it.

        Args:
            cells: Cells of a patch, (h, w).
            start: First row and column of the window, relative to the patch's first
                cell (negative: above it or to its left).
            length: Rows and columns of the window.

        Returns:
            Flat indices into the cells of the visible patches (``[N, h, w]``), shape
            ``[N, *length]``. Cells that are masked or outside the map have the index
            ``N * h * w``, one past the last.
        """
        return self.table(
            ('window', *cells, *start, *length),
            lambda: self._build_window_table(cells, start, length),
        )

    def _build_window_table(
        self, cells: tuple[int, int], start: tuple[int, int], length: tuple[int, int]
    ) -> Tensor:
        device, (h, w) = self.index.device, cells
        patch_row, patch_col = self.place
        y = torch.arange(start[0], start[0] + length[0], device=device)
        x = torch.arange(start[1], start[1] + length[1], device=device)
        row = patch_row[:, None] + y.div(h, rounding_mode='floor')
        col = patch_col[:, None] + x.div(w, rounding_mode='floor')
        inside = ((row >= 0) & (row < self.rows))[:, :, None] & (
            (col >= 0) & (col < self.cols)
        )[:, None, :]
        flat = (
            self.sample[:, None] * self.rows + row.clamp(0, self.rows - 1)
        ) * self.cols
        slot = self.slots[flat[:, :, None] + col.clamp(0, self.cols - 1)[:, None, :]]
        local = (y % h)[:, None] * w + (x % w)[None, :]
        table = slot * (h * w) + local
        return table.masked_fill(~inside | (slot < 0), len(self.index) * h * w)

    def cell_slots(self, h: int, w: int) -> Tensor:
        """Where to find each cell of a map among the cells of the visible patches.

        Returns:
            Flat indices into [N, h, w], shape [B * rows * h * cols * w]; masked cells
            have the index ``N * h * w``, one past the last.
        """

        def build() -> Tensor:
            places = self._cell_table(h, w).flatten()
            cells = self.batch_size * self.num_patches * h * w
            slots = places.new_full((cells,), len(places))
            order = torch.arange(len(places), device=places.device)
            return slots.index_copy(0, places, order)

        return self.table(('cell slots', h, w), build)

    def _cell_table(self, h: int, w: int) -> Tensor:
        """Flat position in [B, rows * h, cols * w] of the visible cells, [N, h, w]."""

        def build() -> Tensor:
            device = self.index.device
            top = self.index.div(self.cols, rounding_mode='floor') * h
            y = top[:, None] + torch.arange(h, device=device)
            x = (self.index % self.cols * w)[:, None] + torch.arange(w, device=device)
            return y[:, :, None] * (self.cols * w) + x[:, None, :]

        return self.table(('cells', h, w), build)
