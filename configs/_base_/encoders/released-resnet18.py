encoder = dict(type='ReleasedResNet', depth=18)
