# Linear probing (He et al., MAE, CVPR 2022, appendix A)
max_epochs = 90
warmup_epochs = 10
base_batch_size = 16384  # of all GPUs together; --auto-scale-lr scales from it
lr = 6.4  # 0.1 for each 256 images

optim_wrapper = dict(
    type='OptimWrapper',
    constructor='TrainableOptimWrapperConstructor',
    optimizer=dict(type='LARS', lr=lr, momentum=0.9, weight_decay=0.0))

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

train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=max_epochs, val_interval=1)
val_cfg = dict()
test_cfg = dict()
auto_scale_lr = dict(enable=False, base_batch_size=base_batch_size)
