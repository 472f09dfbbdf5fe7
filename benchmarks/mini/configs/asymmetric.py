_base_ = ['./videomac.py']

# Table 3: other patches are visible in each frame
model = dict(masking=dict(symmetric=False))
