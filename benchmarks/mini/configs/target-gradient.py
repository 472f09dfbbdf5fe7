_base_ = ['./videomac.py']

# L_t trains too: both frames are reconstructed by the online network
model = dict(target=dict(type='SharedTarget'))
custom_hooks = []
