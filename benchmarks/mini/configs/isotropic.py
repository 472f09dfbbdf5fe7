_base_ = ['./videomac.py']

# Table 2: one width at one resolution, with about the parameters of atto
encoder = dict(
    _delete_=True,
    type='IsotropicConvNeXt',
    depth=12,
    dim=176,
    stem_patch_size=16)
# At stride 8 its 16 x 16 stem would be applied at every eighth pixel.
features = dict(network=encoder, out_stage=-1, output_stride=16)
model = dict(encoder=encoder)
