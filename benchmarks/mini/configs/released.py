_base_ = ['./videomac.py']

# The released topology: a norm after every stage, which is fed forward
encoder = dict(_delete_=True, type='ReleasedConvNeXt', arch='atto', use_grn=True)
features = dict(network=encoder)
model = dict(encoder=encoder)
