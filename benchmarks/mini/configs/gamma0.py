_base_ = ['./videomac.py']

# Table 4d: no consistency loss
model = dict(consistency_loss=dict(weight=0.0))
