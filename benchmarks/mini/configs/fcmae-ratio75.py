_base_ = ['./videomac.py']

# FCMAE at VideoMAC's ratio, which is L_o alone (Table 4d)
model = dict(target=None, consistency_loss=None)
custom_hooks = []
train_dataloader = dict(dataset=dict(num_frames=1))
