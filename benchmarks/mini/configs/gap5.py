_base_ = ['./videomac.py']

# Table 4c, in frames of this data
gap = 5
train_dataloader = dict(dataset=dict(gap=gap))
