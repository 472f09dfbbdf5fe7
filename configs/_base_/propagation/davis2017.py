# J and F on DAVIS, by DINO's procedure (arXiv:2104.14294)
data_root = 'data/davis'
short_side = 480  # pixels
multiple = 64  # pixels, to a multiple of which the long side is floored
output_stride = 8  # pixels to a cell of the features
previous = 7  # frames that are references, beside frame 0
radius = 12  # cells
topk = 5
temperature = 0.1

default_scope = 'videomac'
randomness = dict(seed=0)  # of an encoder without checkpoint

model = dict(
    type='LabelPropagator',
    preset='dino',
    previous=previous,
    always_first=True,
    first_frame='once',
    window='square',
    radius=radius,
    restrict_first=True,
    topk=topk,
    temperature=temperature,
    ties='keep',
    label_resize='nearest',
    min_max=True,
    decode='network',
    feature_dtype='float32',
    memory_budget=2**27,  # bytes, above the features
    backbone=dict(
        type='FeatureExtractor',
        checkpoint=None,
        prefix=None,
        out_stage=-1,
        output_stride=output_stride,
        dilate=True,
        final_norm=True,
        autocast=None))

test_dataloader = dict(
    batch_size=1,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    collate_fn=dict(type='pseudo_collate'),
    dataset=dict(
        type='DAVISDataset',
        data_root=data_root,
        year=2017,
        split='val',
        resolution='480p',
        size=short_side,
        multiple=multiple,
        mean=(0.485, 0.456, 0.406),
        std=(0.228, 0.224, 0.225),  # red as DINO has it
        round_resized=True,  # to 8 bits
        videos=None))
test_evaluator = dict(type='JAndFMetric', bound=0.008, all_frames=False)
test_cfg = dict(type='TestLoop')
