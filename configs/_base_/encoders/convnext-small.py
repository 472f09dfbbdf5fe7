encoder = dict(
    type='mmpretrain.ConvNeXt', arch='small', gap_before_final_norm=False)
