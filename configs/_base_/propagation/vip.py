# Mean IoU on VIP, by CRW's procedure (arXiv:2006.14613)
data_root = 'data/VIP_Fine'
size = (560, 560)  # pixels; the ratio is not kept
output_stride = 8  # pixels to a cell of the features
previous = 4  # frames that are references, beside frame 0; key frames are 25 apart
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
    label_resize='bilinear',
    min_max=False,
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
        type='VIPDataset',
        data_root=data_root,
        split='val',
        labels='category',
        size=size,
        mean=(0.485, 0.456, 0.406),
        std=(0.229, 0.224, 0.225),
        round_resized=False,
        videos=None))
test_evaluator = dict(type='VIPMeanIoU', first_frame=True)
test_cfg = dict(type='TestLoop')
