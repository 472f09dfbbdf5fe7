_base_ = ['./videomac.py']

mask_ratio = 0.5
model = dict(masking=dict(ratio=mask_ratio))
