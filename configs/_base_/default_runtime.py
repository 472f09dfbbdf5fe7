# How a run is logged, saved and seeded; every config inherits this.
default_scope = 'videomac'

default_hooks = dict(
    timer=dict(type='IterTimerHook'),
    logger=dict(type='LoggerHook', interval=50),
    param_scheduler=dict(type='ParamSchedulerHook'),
    checkpoint=dict(type='VerifiedCheckpointHook', interval=10, max_keep_ckpts=3),
    sampler_seed=dict(type='DistSamplerSeedHook'),
    # Without it mmengine cannot resume from its own checkpoints (torch >= 2.6).
    safe_checkpoint=dict(type='SafeCheckpointHook'),
    # Weights of another network are an error, never a random network.
    strict_load=dict(type='StrictLoadHook'),
    loader_check=dict(type='LoaderCheckHook'),
    schedule_check=dict(type='ScheduleCheckHook'),
    lost_sample=dict(type='LostSampleHook'),
    monitor=dict(type='MonitorHook'),  # docs/en/loading.md
    # A full disk costs lines of the log, never the training.
    log_guard=dict(type='LogGuardHook'),
    finite_guard=dict(type='FiniteGuardHook', max_skips=10),
    # A stop costs nothing: docs/en/promises.md.
    exact_resume=dict(type='ExactResumeHook'),
    preemption=dict(type='PreemptionHook'),
)

env_cfg = dict(
    cudnn_benchmark=True,  # inputs have one size
    mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0),
    dist_cfg=dict(backend='nccl'),
)

vis_backends = [dict(type='LocalVisBackend'), dict(type='TensorboardVisBackend')]
visualizer = dict(type='Visualizer', vis_backends=vis_backends)

log_processor = dict(window_size=50)  # one logging interval: no iteration counts twice
log_level = 'INFO'
load_from = None
resume = False
randomness = dict(seed=None, deterministic=False)
launcher = 'none'
