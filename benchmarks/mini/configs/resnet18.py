_base_ = ['./videomac.py']

# ResNet-18 at half its width, with its stock stem and BatchNorm
encoder = dict(
    _delete_=True,
    type='mmpretrain.ResNet',
    depth=18,
    base_channels=32,
    stem_channels=32)
features = dict(network=encoder)
model = dict(encoder=encoder)
