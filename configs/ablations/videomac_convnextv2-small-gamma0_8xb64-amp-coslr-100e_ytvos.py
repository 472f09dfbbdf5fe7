_base_ = ['../videomac/videomac_convnextv2-small_8xb64-amp-coslr-100e_ytvos.py']

# Table 4e, and L_o + L_t of Table 4d
consistency_weight = 0.0
model = dict(consistency_loss=dict(weight=consistency_weight))
