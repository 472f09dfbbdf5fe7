encoder = dict(
    type='mmpretrain.ConvNeXt', arch='tiny', gap_before_final_norm=False)
