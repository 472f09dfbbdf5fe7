_base_ = ['./videomac.py']

# No average: the target has the online network's weights of the step before
custom_hooks = [
    dict(type='TargetEMAHook', momentum=0.0, schedule='constant')
]
