_base_ = ['./videomac.py']

custom_hooks = [
    dict(
        type='TargetEMAHook', momentum=_base_.momentum, schedule='constant')
]
