_base_ = ['../videomac/videomac_convnextv2-small_8xb64-amp-coslr-100e_ytvos.py']

# Table 3d: each frame has masks of its own, of the same ratio
model = dict(masking=dict(symmetric=False))
