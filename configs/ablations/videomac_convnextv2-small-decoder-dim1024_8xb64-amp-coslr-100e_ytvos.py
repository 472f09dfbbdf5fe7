_base_ = ['../videomac/videomac_convnextv2-small_8xb64-amp-coslr-100e_ytvos.py']

# Table 3c
decoder_dim = 1024
model = dict(decoder=dict(dim=decoder_dim))
