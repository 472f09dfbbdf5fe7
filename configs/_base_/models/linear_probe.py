# A linear classifier on a frozen encoder (He et al., MAE, CVPR 2022, appendix A)
model = dict(
    type='LinearProbe',
    head=dict(
        type='mmpretrain.LinearClsHead',
        loss=dict(type='mmpretrain.CrossEntropyLoss'),
        init_cfg=dict(type='TruncNormal', layer='Linear', std=0.01)))
