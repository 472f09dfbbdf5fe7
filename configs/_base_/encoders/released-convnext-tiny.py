encoder = dict(type='ReleasedConvNeXt', arch='tiny', use_grn=False)
