_base_ = ['./videomac.py']

# FCMAE (ConvNeXt V2): single frames at the ratio of its paper
mask_ratio = 0.6
model = dict(masking=dict(ratio=mask_ratio), target=None, consistency_loss=None)
custom_hooks = []
train_dataloader = dict(dataset=dict(num_frames=1))
