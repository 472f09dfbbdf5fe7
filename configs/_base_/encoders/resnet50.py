encoder = dict(type='mmpretrain.ResNet', depth=50)
