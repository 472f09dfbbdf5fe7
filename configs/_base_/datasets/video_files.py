# A folder of video files of your own, at any depth; needs decord.
data_root = 'data/videos'
image_size = 224  # pixels
gap = 1  # frames
batch_size = 64  # per GPU
num_workers = 8  # per GPU

data_preprocessor = dict(
    type='FramesDataPreprocessor',
    mean=[123.675, 116.28, 103.53],  # RGB in 0..255
    std=[58.395, 57.12, 57.375],
    non_blocking=True)

train_pipeline = [
    dict(type='FramesRandomResizedCrop', size=image_size, scale=(0.2, 1.0)),
    dict(type='FramesRandomFlip', prob=0.5),
    dict(type='PackFrames'),
]

train_dataloader = dict(
    batch_size=batch_size,
    num_workers=num_workers,
    persistent_workers=True,
    pin_memory=True,
    drop_last=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    collate_fn=dict(type='default_collate'),
    dataset=dict(
        type='FramePairDataset',
        source=dict(type='VideoFiles', data_root=data_root),
        gap=gap,
        pipeline=train_pipeline))
