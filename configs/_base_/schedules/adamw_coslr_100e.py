# AdamW with linear warm-up and cosine decay to zero (paper, section 3.3)
max_epochs = 100
warmup_epochs = 10
base_batch_size = 512  # of all GPUs together; --auto-scale-lr scales from it
lr = 2e-3  # 1e-3 for each 256 samples

optim_wrapper = dict(
    type='OptimWrapper',
    constructor='TrainableOptimWrapperConstructor',
    optimizer=dict(type='AdamW', lr=lr, betas=(0.9, 0.95), weight_decay=0.05),
    # biases, norms, GRN, layer scale and the mask token are not decayed
    paramwise_cfg=dict(
        bias_decay_mult=0.0,
        norm_decay_mult=0.0,
        flat_decay_mult=0.0,
        custom_keys=dict(mask_token=dict(decay_mult=0.0))))

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
        eta_min=0.0,
        by_epoch=True,
        begin=warmup_epochs,
        convert_to_iter_based=True),
]

train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=max_epochs)
auto_scale_lr = dict(enable=False, base_batch_size=base_batch_size)

# --cfg-options max_epochs=200 warmup_epochs=20 ...: what one name stands for
shortcuts = dict(
    lr=['optim_wrapper.optimizer.lr'],
    max_epochs=['train_cfg.max_epochs'],
    warmup_epochs=['param_scheduler.0.end', 'param_scheduler.1.begin'])
