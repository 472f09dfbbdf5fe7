_base_ = ['../videomac/videomac_convnextv2-small_8xb64-amp-coslr-100e_ytvos.py']

# Table 3b
decoder_depth = 4
model = dict(decoder=dict(depth=decoder_depth))
