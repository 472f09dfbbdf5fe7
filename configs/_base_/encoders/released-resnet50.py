encoder = dict(type='ReleasedResNet', depth=50)
