encoder = dict(
    type='ReleasedConvNeXt', arch='tiny', use_grn=True, batch_grn=True)
