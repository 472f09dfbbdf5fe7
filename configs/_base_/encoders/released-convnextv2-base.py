encoder = dict(
    type='ReleasedConvNeXt', arch='base', use_grn=True, batch_grn=True)
