encoder = dict(
    type='ReleasedConvNeXt', arch='small', use_grn=True, batch_grn=True)
