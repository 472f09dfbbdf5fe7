_base_ = ['../videomac/videomac_convnextv2-small_8xb64-amp-coslr-100e_ytvos.py']

# Table 4d, L_o + L_c
model = dict(target_loss=False)
