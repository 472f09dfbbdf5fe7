_base_ = ['./videomac_isotropic-convnextv2-small_8xb64-amp-coslr-100e_ytvos.py']

model = dict(encoder=dict(batch_grn=True))
