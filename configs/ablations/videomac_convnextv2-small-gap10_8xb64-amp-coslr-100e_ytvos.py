_base_ = ['../videomac/videomac_convnextv2-small_8xb64-amp-coslr-100e_ytvos.py']

# Table 4c
gap = 10  # frames
train_dataloader = dict(dataset=dict(gap=gap))
