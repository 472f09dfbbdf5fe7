# Fine-tuning of ConvNeXt V2-T after FCMAE (ConvNeXt V2, appendix; its TRAINING.md)
max_epochs = 300
warmup_epochs = 40
base_batch_size = 1024  # of all GPUs together; --auto-scale-lr scales from it
lr = 3.2e-3  # 8e-4 for each 256 images
min_lr = 1e-6
layer_decay_rate = 0.9
weight_decay = 0.05

optim_wrapper = dict(
    type='OptimWrapper',
    constructor='LayerDecayOptimWrapperConstructor',
    optimizer=dict(
        type='AdamW', lr=lr, betas=(0.9, 0.999), weight_decay=weight_decay),
    paramwise_cfg=dict(
        layer_decay_rate=layer_decay_rate,
        blocks_per_layer=1,  # 'single' in FCMAE's words
        stem_apart=False,
        bias_decay_mult=0.0,
        norm_decay_mult=0.0,
        flat_decay_mult=0.0))

param_scheduler = [
    dict(
        type='LinearLR',
        start_factor=1e-4,
        by_epoch=True,
        begin=0,
        end=warmup_epochs,
        convert_to_iter_based=True),
    dict(  # to the last epoch
        type='CosineAnnealingLR',
        eta_min_ratio=min_lr / lr,
        by_epoch=True,
        begin=warmup_epochs,
        convert_to_iter_based=True),
]

train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=max_epochs, val_interval=1)
val_cfg = dict()
test_cfg = dict()
auto_scale_lr = dict(enable=False, base_batch_size=base_batch_size)
