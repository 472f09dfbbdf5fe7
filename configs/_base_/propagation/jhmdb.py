# PCK on JHMDB, by CRW's procedure (arXiv:2006.14613)
data_root = 'data/jhmdb'
size = (320, 320)  # pixels; the ratio is not kept
output_stride = 8  # pixels to a cell of the features
previous = 7  # frames that are references, beside frame 0
radius = 12  # cells
topk = 10
temperature = 0.05

default_scope = 'videomac'
randomness = dict(seed=0)  # of an encoder without checkpoint

model = dict(
    type='LabelPropagator',
    preset='crw',
    previous=previous,
    always_first=True,
    first_frame='padded',
    window='circle',
    radius=radius,
    restrict_first=False,
    topk=topk,
    temperature=temperature,
    ties='share',
    pose=dict(sigma=0.5, draw='cells', background=True, top=3, decode='cells'),
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
        type='JHMDBDataset',
        data_root=data_root,
        list_file='testlist_split1.txt',
        size=size,
        mean=(0.485, 0.456, 0.406),
        std=(0.229, 0.224, 0.225),
        round_resized=False,
        videos=None))
test_evaluator = dict(
    type='PCKMetric', scale=0.6, first_frame=False, visible_above_zero=False)
test_cfg = dict(type='TestLoop')
