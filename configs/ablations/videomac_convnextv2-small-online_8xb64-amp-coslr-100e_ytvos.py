_base_ = ['../videomac/videomac_convnextv2-small_8xb64-amp-coslr-100e_ytvos.py']

# Table 4d, L_o alone: without a target network; the second frame of a pair is not looked at
model = dict(target=None, consistency_loss=None)
custom_hooks = []
