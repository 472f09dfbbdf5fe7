# mmpretrain's classifier but for its backbone, its weights and the sizes of the head
label_smoothing = 0.1
mixup = 0.8  # alpha
cutmix = 1.0  # alpha

model = dict(
    type='mmpretrain.ImageClassifier',
    head=dict(
        type='mmpretrain.LinearClsHead',
        loss=dict(
            type='mmpretrain.LabelSmoothLoss', label_smooth_val=label_smoothing),
        # the main_finetune.py of ConvNeXt V2 starts from a head close to zero
        init_cfg=dict(type='TruncNormal', layer='Linear', std=2e-5)),
    train_cfg=dict(augments=[
        dict(type='Mixup', alpha=mixup),
        dict(type='CutMix', alpha=cutmix),
    ]))
