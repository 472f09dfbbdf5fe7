_base_ = [
    '../_base_/datasets/imagenet.py',
    '../_base_/default_runtime.py',
]

# k-NN with the features of a frozen encoder; nothing is trained: tools/test.py alone
pretraining = 'videomac_convnextv2-tiny_8xb64-amp-coslr-100e_ytvos'
checkpoint = f'work_dirs/{pretraining}/epoch_100.pth'
k = 20
temperature = 0.07

model = dict(
    type='mmpretrain.ImageClassifier',
    backbone=dict(
        type='mmpretrain.ConvNeXt',
        arch='tiny',
        use_grn=True,
        layer_scale_init_value=0.0,
        init_cfg=dict(type='Pretrained', checkpoint=checkpoint)),
    # what a checkpoint overwrites, and a run without one starts from
    init_cfg=dict(
        type='TruncNormal', layer=['Conv2d', 'Linear'], std=0.02, bias=0.0))

train_dataloader = None
val_dataloader = None
val_evaluator = None

test_cfg = dict(
    type='KNNTestLoop',
    k=k,
    temperature=temperature,
    bank_dataloader=dict(
        batch_size=_base_.batch_size,
        num_workers=_base_.num_workers,
        sampler=dict(type='DefaultSampler', shuffle=False),
        collate_fn=dict(type='default_collate'),
        dataset=dict(
            type='mmpretrain.CustomDataset',
            data_root=_base_.data_root,
            data_prefix='train',
            pipeline=_base_.test_pipeline)))

shortcuts = dict(
    _delete_=True,
    data_root=[
        'test_cfg.bank_dataloader.dataset.data_root',
        'test_dataloader.dataset.data_root',
    ],
    num_classes=['data_preprocessor.num_classes'],
    batch_size=[
        'test_cfg.bank_dataloader.batch_size',
        'test_dataloader.batch_size',
    ],
    checkpoint=['model.backbone.init_cfg.checkpoint'],
    k=['test_cfg.k'],
    temperature=['test_cfg.temperature'])
