_base_ = ['./videomac.py']

mask_ratio = 0.9
model = dict(masking=dict(ratio=mask_ratio))
