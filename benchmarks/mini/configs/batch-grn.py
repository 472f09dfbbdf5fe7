_base_ = ['./videomac.py']

# GRN over the visible cells of the whole batch, as in the released code
model = dict(
    encoder=dict(
        _delete_=True, type='WithBatchGRN', encoder=_base_.encoder))
