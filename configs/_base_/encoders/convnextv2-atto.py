encoder = dict(
    type='mmpretrain.ConvNeXt',
    arch='atto',
    use_grn=True,
    layer_scale_init_value=0.0,
    gap_before_final_norm=False)
