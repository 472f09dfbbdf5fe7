_base_ = ['../videomac/videomac_convnextv2-small_8xb64-amp-coslr-100e_ytvos.py']

# Table 4e
consistency_weight = 0.5
model = dict(consistency_loss=dict(weight=consistency_weight))
