encoder = dict(type='ReleasedConvNeXt', arch='small', use_grn=False)
