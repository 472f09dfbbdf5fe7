_base_ = ['../videomac/videomac_convnextv2-small_8xb64-amp-coslr-100e_ytvos.py']

# Table 4f
mask_ratio = 0.95
model = dict(masking=dict(ratio=mask_ratio))
